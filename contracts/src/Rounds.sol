// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LedgerState} from "./LedgerState.sol";
import {IHearthLedger} from "./interfaces/IHearthLedger.sol";
import {CohortTree} from "./libraries/CohortTree.sol";
import {Leaves} from "./libraries/Leaves.sol";

/// @title A round from its plan to its end; the table is protocol/round/state_table.py
abstract contract Rounds is IHearthLedger, LedgerState {
    // how many blocks back the chain tells a block's hash
    uint48 private constant _HASHES = 256;

    /// @inheritdoc IHearthLedger
    function drawCohort(uint256 task) external known(task) {
        TaskView storage shown = _actAsEdgeServer(task);
        if (shown.maxCohort == shown.maxClients) revert HearthLedger_TermsInvalid("maxCohort");
        uint64 round = uint64(shown.lastRound) + 1;
        if (shown.drawnAt != 0) {
            if (block.number <= shown.drawnAt + _HASHES) revert HearthLedger_AlreadyDrawn(task, shown.drawnAt);
            // else whoever dislikes a draw could wait for another one
            shown.drawnAt = 0;
            --shown.rounds;
            _log(task, DrawLapsed.selector, _EVERYONE, round, "");
            return;
        }
        _requireOpenable(task, shown, round);
        shown.drawnAt = uint48(block.number) + 1;
        _log(task, CohortDrawn.selector, _EVERYONE, round, abi.encode(shown.drawnAt));
    }

    /// @inheritdoc IHearthLedger
    function openRound(
        uint256 task,
        uint64 round,
        bytes32 plan,
        bytes32 label,
        bytes32 cohortRoot,
        uint32 cohort
    ) external known(task) {
        TaskView storage shown = _actAsEdgeServer(task);
        if (plan == 0 || label == 0 || cohortRoot == 0) revert HearthLedger_DigestZero();
        _requireOpenable(task, shown, round);
        uint32 most = shown.enrolled < shown.maxCohort ? shown.enrolled : shown.maxCohort;
        if (cohort < shown.minClients || cohort > most) {
            revert HearthLedger_CohortWrong(cohort, shown.minClients, most);
        }
        bytes32 beacon = _beacon(task, shown);
        _task[task].rosters = 0;
        shown.lastRound = uint32(round);
        RoundView storage opened = _round[task][round];
        opened.state = RoundState.Open;
        opened.label = label;
        opened.cohortRoot = cohortRoot;
        opened.cohort = cohort;
        opened.server = _bond[task][msg.sender].index;
        opened.commitUntil = uint48(block.timestamp + _task[task].commitSeconds);
        opened.settleUntil = opened.commitUntil + _task[task].settleSeconds;
        bytes memory data =
            abi.encode(plan, label, cohortRoot, cohort, beacon, opened.commitUntil, opened.settleUntil);
        _log(task, RoundOpened.selector, _EVERYONE, round, data);
    }

    /// @inheritdoc IHearthLedger
    function commitBatch(uint256 task, uint64 round, bytes32 root, bytes32 batch, uint32 count)
        external
        known(task)
    {
        _actAsEdgeServer(task);
        RoundView storage current = _open(task, round);
        if (current.batched != 0) revert HearthLedger_AlreadyCommitted(task, round, msg.sender);
        Task storage posted = _task[task];
        uint48 due = current.commitUntil - posted.commitSeconds + 2 * posted.trainingSeconds;
        uint48 last = current.commitUntil - posted.objectionSeconds;
        if (block.timestamp < due) revert HearthLedger_TooEarly(due);
        if (block.timestamp > last) revert HearthLedger_TooLate(last);
        _requireUnscreened(task, round, current);
        if (count == 0 || count > current.cohort) revert HearthLedger_CohortWrong(count, 1, current.cohort);
        if (root == 0 || batch == 0) revert HearthLedger_DigestZero();
        current.batchRoot = root;
        current.batched = count;
        current.objectUntil = uint48(block.timestamp) + posted.objectionSeconds;
        _log(task, BatchCommitted.selector, _EVERYONE, round, abi.encode(root, batch, count, current.objectUntil));
    }

    /// @inheritdoc IHearthLedger
    function commitDirect(Commitment calldata commitment, bytes calldata signature, CohortPlace calldata place)
        external
        known(commitment.task)
    {
        (uint256 task, uint64 round, address client) = (commitment.task, commitment.round, commitment.client);
        RoundView storage current = _open(task, round);
        if (block.timestamp > current.commitUntil) revert HearthLedger_TooLate(current.commitUntil);
        _requireUnscreened(task, round, current);
        if (commitment.label != current.label) revert HearthLedger_LabelWrong(commitment.label, current.label);
        if (commitment.ciphertext == 0) revert HearthLedger_DigestZero();
        if (!CohortTree.holds(current.cohortRoot, current.cohort, client, place)) {
            revert HearthLedger_NotPlanned(task, client);
        }
        if (_committed[task][round][client]) revert HearthLedger_AlreadyCommitted(task, round, client);
        _verify(task, Leaves.structHash(commitment), client, signature);
        _committed[task][round][client] = true;
        ++current.direct;
        bytes memory data = abi.encode(commitment.label, commitment.nonce, commitment.ciphertext, signature);
        _log(task, DirectCommitted.selector, uint160(client), round, data);
    }

    /// @inheritdoc IHearthLedger
    function requestScreening(uint256 task, uint64 round, uint256 beaconBlock, uint32 direct, bytes32 request)
        external
        known(task)
    {
        _actAsEdgeServer(task);
        RoundView storage current = _open(task, round);
        if (current.screening != 0) revert HearthLedger_AlreadyScreened(task, round);
        _requireComplete(task, current, request);
        if (direct != current.direct) revert HearthLedger_DirectWrong(direct, current.direct);
        bytes32 beaconHash = blockhash(beaconBlock);
        if (beaconHash == 0) revert HearthLedger_BeaconUnknown(beaconBlock);
        current.screening = request;
        _log(task, ScreeningRequested.selector, _EVERYONE, round, abi.encode(beaconBlock, beaconHash, request));
    }

    /// @inheritdoc IHearthLedger
    function requestKey(uint256 task, uint64 round, bytes32 request) external known(task) {
        _actAsEdgeServer(task);
        RoundView storage current = _open(task, round);
        _requireComplete(task, current, request);
        current.state = RoundState.Requested;
        current.request = request;
        _log(task, KeyRequested.selector, _EVERYONE, round, abi.encode(request));
    }

    /// @inheritdoc IHearthLedger
    function publishRound(uint256 task, uint64 round, Publication calldata publication) external known(task) {
        _actAsEdgeServer(task);
        RoundView storage current = _round[task][round];
        if (current.state != RoundState.Requested) revert HearthLedger_RoundUnexpected(task, round, current.state);
        if (publication.model == 0 || publication.record == 0) revert HearthLedger_DigestZero();
        current.state = RoundState.Published;
        TaskView storage shown = _task[task].shown;
        uint128 most = current.cohort * (shown.participation + shown.contribution) + _task[task].roundFees;
        _allocate(task, round, current, publication.allocationRoot, publication.allocated, most);
        _log(task, RoundPublished.selector, _EVERYONE, round, abi.encode(publication));
    }

    /// @inheritdoc IHearthLedger
    function abandonRound(uint256 task, uint64 round, bytes32 record, bytes32 allocationRoot, uint128 allocated)
        external
        known(task)
    {
        _actAsEdgeServer(task);
        RoundView storage current = _round[task][round];
        if (current.state != RoundState.Open) revert HearthLedger_RoundUnexpected(task, round, current.state);
        if (block.timestamp <= current.commitUntil) revert HearthLedger_TooEarly(current.commitUntil);
        if (record == 0) revert HearthLedger_DigestZero();
        current.state = RoundState.Abandoned;
        uint128 most = current.cohort * _task[task].shown.participation;
        _allocate(task, round, current, allocationRoot, allocated, most);
        _log(task, RoundAbandoned.selector, _EVERYONE, round, abi.encode(record, allocationRoot, allocated));
    }

    /// @inheritdoc IHearthLedger
    function expireRound(uint256 task, uint64 round) external known(task) {
        RoundView storage current = _round[task][round];
        if (!_running(current.state)) revert HearthLedger_RoundUnexpected(task, round, current.state);
        if (block.timestamp <= current.settleUntil) revert HearthLedger_TooEarly(current.settleUntil);
        TaskView storage shown = _task[task].shown;
        uint128 owed = _owed(shown, current);
        shown.reserved += owed;
        bool requested = current.state == RoundState.Requested;
        current.state = RoundState.Expired;
        _log(task, RoundExpired.selector, _EVERYONE, round, "");
        if (!requested && owed != 0) _charge(task, shown.edgeServer, owed);
    }

    /// @dev Of a server that left a round with commitments alone: its role, and of its bond what they are owed.
    function _charge(uint256 task, address server, uint128 owed) private {
        BondView storage bond = _bond[task][server];
        if (bond.role == Role.None) return;
        _dismiss(task, bond);
        uint128 amount = bond.amount < owed ? bond.amount : owed;
        TaskView storage shown = _task[task].shown;
        bond.amount -= amount;
        shown.deposits -= amount;
        shown.escrow += amount;
        _log(task, BondForfeited.selector, _EVERYONE, uint160(server), abi.encode(address(0), amount, uint128(0)));
    }

    /// @dev What a round needs before it can be opened, but for its cohort.
    function _requireOpenable(uint256 task, TaskView storage shown, uint64 round) private view {
        _requireAuthorities(task);
        if (block.timestamp <= shown.enrolUntil) revert HearthLedger_EnrolmentOpen(task, shown.enrolUntil);
        RoundState before = _round[task][shown.lastRound].state;
        if (round != uint64(shown.lastRound) + 1 || round > shown.rounds || _running(before)) {
            revert HearthLedger_RoundUnexpected(task, round, before);
        }
        if (block.timestamp > shown.taskUntil) revert HearthLedger_TooLate(shown.taskUntil);
        _requireRosters(task, round);
    }

    /// @dev Nobody chooses a ciphertext once the sketch is known. Before commitUntil a screening waits for the whole cohort, and
    /// after it nobody commits anyway: so most rounds need not read whether there is one.
    function _requireUnscreened(uint256 task, uint64 round, RoundView storage current) private view {
        if (_isComplete(current) && current.screening != 0) revert HearthLedger_AlreadyScreened(task, round);
    }

    function _isComplete(RoundView storage current) private view returns (bool) {
        return current.batched + current.direct >= current.cohort;
    }

    /// @dev What authorities are asked about a round waits until everybody could commit.
    function _requireComplete(uint256 task, RoundView storage current, bytes32 request) private view {
        uint48 until = _isComplete(current) ? current.objectUntil : current.commitUntil;
        if (block.timestamp <= until) revert HearthLedger_TooEarly(until);
        if (block.timestamp > current.settleUntil) revert HearthLedger_TooLate(current.settleUntil);
        if (request == 0) revert HearthLedger_DigestZero();
        _requireAuthorities(task);
    }

    /// @dev As many as a key takes. Of a task that is stopped the refund may have taken what a round would promise.
    function _requireAuthorities(uint256 task) private view {
        Task storage posted = _task[task];
        bool unbonded = posted.authorityBond != 0 && posted.bonded < posted.threshold;
        if (unbonded || posted.shown.stopped) revert HearthLedger_BondMissing(task, address(0));
    }

    /// @dev Zero where everybody is planned; else the hash of the block that the draw named.
    function _beacon(uint256 task, TaskView storage shown) private returns (bytes32 beacon) {
        if (shown.maxCohort == shown.maxClients) return 0;
        beacon = blockhash(shown.drawnAt);
        if (shown.drawnAt == 0 || beacon == 0) revert HearthLedger_NotDrawn(task, shown.drawnAt);
        shown.drawnAt = 0;
    }

    /// @dev The first round of a window waits for the rosters of all authorities, or for their deadline.
    function _requireRosters(uint256 task, uint64 round) private view {
        Task storage posted = _task[task];
        if ((round - 1) % posted.rosterRounds != 0) return;
        if (posted.rosters != posted.authorities) {
            uint48 until = _rosterUntil(task);
            if (block.timestamp <= until) revert HearthLedger_TooEarly(until);
        }
    }

    /// @dev Settles a round's share of the escrow: cumulative, and at most `most` more. The tree of
    /// the round settled before, undisputed by now, takes its place as the last that can be claimed.
    function _allocate(
        uint256 task,
        uint64 round,
        RoundView storage current,
        bytes32 root,
        uint128 allocated,
        uint128 most
    ) private {
        if (block.timestamp > current.settleUntil) revert HearthLedger_TooLate(current.settleUntil);
        if (root == 0) revert HearthLedger_DigestZero();
        TaskView storage shown = _task[task].shown;
        if (block.timestamp < shown.payableFrom) revert HearthLedger_TooEarly(shown.payableFrom);
        (bytes32 standing, uint128 low) = _payable(shown);
        if (allocated < low || allocated > low + most) revert HearthLedger_AllocationWrong(allocated, low, low + most);
        (shown.allocationRoot, shown.allocated) = (standing, low);
        (shown.pendingRoot, shown.pendingAllocated) = (root, allocated);
        shown.pendingRound = uint32(round);
        shown.pendingServer = _bond[task][msg.sender].index;
        shown.payableFrom = uint48(block.timestamp + _task[task].disputeSeconds);
    }

    /// @dev The acting one, or another one of the list that takes over because it may by now.
    function _actAsEdgeServer(uint256 task) private returns (TaskView storage shown) {
        Task storage posted = _task[task];
        shown = posted.shown;
        BondView storage bond = _bond[task][msg.sender];
        if (bond.role != Role.EdgeServer) revert HearthLedger_NotEdgeServer(msg.sender, shown.edgeServer);
        if (msg.sender != shown.edgeServer) {
            RoundView storage last = _round[task][shown.lastRound];
            uint48 since = _running(last.state) ? last.commitUntil : _rosterUntil(task);
            uint48 until = since + posted.takeoverSeconds;
            if (block.timestamp <= until) revert HearthLedger_TooEarly(until);
            shown.edgeServer = msg.sender;
            _log(task, TakenOver.selector, _EVERYONE, uint160(msg.sender), "");
        }
        if (posted.edgeBond != 0 && bond.amount == 0) revert HearthLedger_BondMissing(task, msg.sender);
    }
}
