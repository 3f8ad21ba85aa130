// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {LedgerState} from "./LedgerState.sol";
import {IHearthLedger} from "./interfaces/IHearthLedger.sol";
import {TermsCheck} from "./libraries/TermsCheck.sol";

/// @title Escrow, commitments and rewards of all tasks of one chain. No owner, no upgrade, no pause.
contract HearthLedger is LedgerState, ReentrancyGuard {
    bytes32 private constant _ENROLMENT_TYPE = keccak256("Enrolment(uint256 task,address client,bytes32 envelope)");
    bytes32 private constant _LEAVE_TYPE = keccak256("Leave(uint256 task,address client)");
    bytes32 private constant _COMMITMENT_TYPE = keccak256(
        "Commitment(uint256 task,uint64 round,address client,bytes32 label,bytes16 nonce,bytes32 ciphertext)"
    );
    bytes32 private constant _ENTITLEMENT_LEAF =
        keccak256("HearthEntitlementLeaf(uint256 task,uint256 index,address client,uint256 cumulative,uint256 reputation)");

    /// @inheritdoc IHearthLedger
    function postTask(TaskTerms calldata terms) external payable returns (uint256 task) {
        TermsCheck.check(terms);
        uint256 required = uint256(terms.rounds) * terms.maxClients * terms.updateReward;
        if (msg.value != required || required > type(uint128).max) {
            revert HearthLedger_EscrowWrong(msg.value, required);
        }
        task = ++_tasks;
        Task storage posted = _task[task];
        TaskView storage shown = posted.shown;
        shown.spec = terms.spec;
        shown.manufacturer = msg.sender;
        shown.edgeServer = terms.edgeServer;
        shown.rounds = terms.rounds;
        shown.minClients = terms.minClients;
        shown.maxClients = terms.maxClients;
        shown.enrolUntil = uint48(block.timestamp + terms.enrolmentSeconds);
        shown.taskUntil = uint48(block.timestamp + terms.taskSeconds);
        shown.claimUntil = uint48(block.timestamp + terms.taskSeconds + terms.claimSeconds);
        shown.updateReward = terms.updateReward;
        shown.escrow = uint128(msg.value);
        posted.commitSeconds = terms.commitSeconds;
        posted.settleSeconds = terms.settleSeconds;
        posted.initialReputation = terms.initialReputation;
        emit TaskPosted(
            task, msg.sender, terms, uint128(msg.value), shown.enrolUntil, shown.taskUntil, shown.claimUntil
        );
    }

    /// @inheritdoc IHearthLedger
    function enrol(Enrolment[] calldata enrolments, bytes[] calldata signatures) external {
        if (enrolments.length != signatures.length) revert HearthLedger_TermsInvalid("signatures");
        for (uint256 i = 0; i < enrolments.length; ++i) {
            _enrol(enrolments[i], signatures[i]);
        }
    }

    /// @inheritdoc IHearthLedger
    function leave(uint256 task, address client, bytes calldata signature) external known(task) {
        EnrolmentView storage enrolment = _enrolment[task][client];
        if (enrolment.envelope == 0 || enrolment.left) revert HearthLedger_NotEnrolled(task, client);
        _verify(keccak256(abi.encode(_LEAVE_TYPE, task, client)), client, signature);
        enrolment.left = true;
        emit Left(task, client, signature);
    }

    /// @inheritdoc IHearthLedger
    function openRound(uint256 task, uint64 round, bytes32 plan, bytes32 label, uint32 cohort)
        external
        known(task)
    {
        TaskView storage shown = _ofEdgeServer(task);
        if (plan == 0 || label == 0) revert HearthLedger_DigestZero();
        if (block.timestamp <= shown.enrolUntil && shown.enrolled < shown.maxClients) {
            revert HearthLedger_EnrolmentOpen(task, shown.enrolUntil);
        }
        RoundState before = _round[task][shown.lastRound].state;
        if (round != uint64(shown.lastRound) + 1 || round > shown.rounds || _running(before)) {
            revert HearthLedger_RoundUnexpected(task, round, before);
        }
        if (block.timestamp > shown.taskUntil) revert HearthLedger_TooLate(shown.taskUntil);
        if (cohort < shown.minClients || cohort > shown.enrolled) {
            revert HearthLedger_CohortWrong(cohort, shown.minClients, shown.enrolled);
        }
        shown.lastRound = uint32(round);
        RoundView storage opened = _round[task][round];
        opened.state = RoundState.Open;
        opened.label = label;
        opened.cohort = cohort;
        opened.commitUntil = uint48(block.timestamp + _task[task].commitSeconds);
        opened.settleUntil = opened.commitUntil + _task[task].settleSeconds;
        emit RoundOpened(task, round, plan, label, cohort, opened.commitUntil, opened.settleUntil);
    }

    /// @inheritdoc IHearthLedger
    function commitBatch(uint256 task, uint64 round, bytes32 root, bytes32 batch, uint32 count)
        external
        known(task)
    {
        _ofEdgeServer(task);
        RoundView storage current = _open(task, round);
        if (current.batched != 0) revert HearthLedger_AlreadyCommitted(task, round, msg.sender);
        if (block.timestamp > current.commitUntil) revert HearthLedger_TooLate(current.commitUntil);
        if (count == 0 || count > current.cohort) revert HearthLedger_CohortWrong(count, 1, current.cohort);
        if (root == 0 || batch == 0) revert HearthLedger_DigestZero();
        current.batchRoot = root;
        current.batched = count;
        emit BatchCommitted(task, round, root, batch, count);
    }

    /// @inheritdoc IHearthLedger
    function commitDirect(Commitment calldata commitment, bytes calldata signature) external known(commitment.task) {
        (uint256 task, uint64 round, address client) = (commitment.task, commitment.round, commitment.client);
        RoundView storage current = _open(task, round);
        if (block.timestamp > current.commitUntil) revert HearthLedger_TooLate(current.commitUntil);
        if (commitment.label != current.label) revert HearthLedger_LabelWrong(commitment.label, current.label);
        if (commitment.ciphertext == 0) revert HearthLedger_DigestZero();
        if (_enrolment[task][client].envelope == 0) revert HearthLedger_NotEnrolled(task, client);
        if (_committed[task][round][client]) revert HearthLedger_AlreadyCommitted(task, round, client);
        _verify(keccak256(abi.encode(_COMMITMENT_TYPE, commitment)), client, signature);
        _committed[task][round][client] = true;
        ++current.direct;
        emit DirectCommitted(
            task, round, client, commitment.label, commitment.nonce, commitment.ciphertext, signature
        );
    }

    /// @inheritdoc IHearthLedger
    function requestKey(uint256 task, uint64 round, bytes32 request) external known(task) {
        _ofEdgeServer(task);
        RoundView storage current = _open(task, round);
        bool everyone = current.batched + current.direct >= current.cohort;
        if (!everyone && block.timestamp <= current.commitUntil) revert HearthLedger_TooEarly(current.commitUntil);
        if (block.timestamp > current.settleUntil) revert HearthLedger_TooLate(current.settleUntil);
        if (request == 0) revert HearthLedger_DigestZero();
        current.state = RoundState.Requested;
        current.request = request;
        emit KeyRequested(task, round, request);
    }

    /// @inheritdoc IHearthLedger
    function publishRound(uint256 task, uint64 round, Publication calldata publication) external known(task) {
        _ofEdgeServer(task);
        RoundView storage current = _round[task][round];
        if (current.state != RoundState.Requested) revert HearthLedger_RoundUnexpected(task, round, current.state);
        if (publication.model == 0 || publication.record == 0) revert HearthLedger_DigestZero();
        current.state = RoundState.Published;
        _allocate(task, current, publication.allocationRoot, publication.allocated);
        emit RoundPublished(task, round, publication);
    }

    /// @inheritdoc IHearthLedger
    function abandonRound(uint256 task, uint64 round, bytes32 record, bytes32 allocationRoot, uint128 allocated)
        external
        known(task)
    {
        _ofEdgeServer(task);
        RoundView storage current = _round[task][round];
        if (!_running(current.state)) revert HearthLedger_RoundUnexpected(task, round, current.state);
        if (current.state == RoundState.Open && block.timestamp <= current.commitUntil) {
            revert HearthLedger_TooEarly(current.commitUntil);
        }
        if (record == 0) revert HearthLedger_DigestZero();
        current.state = RoundState.Abandoned;
        _allocate(task, current, allocationRoot, allocated);
        emit RoundAbandoned(task, round, record, allocationRoot, allocated);
    }

    /// @inheritdoc IHearthLedger
    function expireRound(uint256 task, uint64 round) external known(task) {
        RoundView storage current = _round[task][round];
        if (!_running(current.state)) revert HearthLedger_RoundUnexpected(task, round, current.state);
        if (block.timestamp <= current.settleUntil) revert HearthLedger_TooEarly(current.settleUntil);
        current.state = RoundState.Expired;
        emit RoundExpired(task, round);
    }

    /// @inheritdoc IHearthLedger
    function claim(
        uint256 task,
        uint256 index,
        address client,
        uint128 cumulative,
        uint8 reputation,
        bytes32[] calldata proof
    ) external nonReentrant known(task) {
        TaskView storage shown = _task[task].shown;
        if (block.timestamp > shown.claimUntil) revert HearthLedger_TooLate(shown.claimUntil);
        // whoever never signed up for this task must not get a reputation from its edge server
        if (_enrolment[task][client].envelope == 0) revert HearthLedger_NotEnrolled(task, client);
        bytes32 inner = keccak256(abi.encode(_ENTITLEMENT_LEAF, task, index, client, cumulative, reputation));
        bytes32 leaf = keccak256(bytes.concat(inner));
        if (!MerkleProof.verifyCalldata(proof, shown.allocationRoot, leaf)) {
            revert HearthLedger_ProofInvalid(task, client);
        }
        uint128 before = _claimed[task][client];
        if (cumulative <= before) revert HearthLedger_NothingToPay(task, client);
        uint128 amount = cumulative - before;
        if (amount > shown.allocated - shown.claimed) {
            revert HearthLedger_AllocationWrong(cumulative, before, before + shown.allocated - shown.claimed);
        }
        _claimed[task][client] = cumulative;
        shown.claimed += amount;
        shown.escrow -= amount;
        _standing[client] = Standing(reputation, true);
        emit Claimed(task, client, amount, cumulative, reputation);
        _pay(client, amount);
    }

    /// @inheritdoc IHearthLedger
    function refund(uint256 task) external nonReentrant known(task) {
        TaskView storage shown = _task[task].shown;
        uint128 owed = block.timestamp > shown.claimUntil ? 0 : shown.allocated - shown.claimed;
        if (!_ended(task, shown)) revert HearthLedger_TooEarly(shown.taskUntil);
        uint128 amount = shown.escrow - owed;
        if (amount == 0) revert HearthLedger_NothingToPay(task, shown.manufacturer);
        shown.escrow = owed;
        emit Refunded(task, shown.manufacturer, amount);
        _pay(shown.manufacturer, amount);
    }

    function _enrol(Enrolment calldata enrolment, bytes calldata signature) private known(enrolment.task) {
        (uint256 task, address client) = (enrolment.task, enrolment.client);
        Task storage entered = _task[task];
        TaskView storage shown = entered.shown;
        if (block.timestamp > shown.enrolUntil || shown.enrolled == shown.maxClients) {
            revert HearthLedger_EnrolmentClosed(task);
        }
        if (enrolment.envelope == 0) revert HearthLedger_DigestZero();
        if (_enrolment[task][client].envelope != 0) revert HearthLedger_AlreadyEnrolled(task, client);
        _verify(keccak256(abi.encode(_ENROLMENT_TYPE, enrolment)), client, signature);
        Standing storage standing = _standing[client];
        uint8 reputation = standing.known ? standing.reputation : entered.initialReputation;
        _enrolment[task][client] = EnrolmentView(enrolment.envelope, reputation, false);
        ++shown.enrolled;
        emit Enrolled(task, client, enrolment.envelope, reputation, signature);
    }

    /// @dev Settles a round's share of the escrow: cumulative, and never more than the round's own budget.
    function _allocate(uint256 task, RoundView storage current, bytes32 root, uint128 allocated) private {
        if (block.timestamp > current.settleUntil) revert HearthLedger_TooLate(current.settleUntil);
        if (root == 0) revert HearthLedger_DigestZero();
        TaskView storage shown = _task[task].shown;
        uint128 high = shown.allocated + current.cohort * shown.updateReward;
        if (allocated < shown.allocated || allocated > high) {
            revert HearthLedger_AllocationWrong(allocated, shown.allocated, high);
        }
        shown.allocated = allocated;
        shown.allocationRoot = root;
    }

    function _pay(address payee, uint256 amount) private {
        (bool paid,) = payee.call{value: amount}("");
        if (!paid) revert HearthLedger_PaymentFailed(payee, amount);
    }

    function _ended(uint256 task, TaskView storage shown) private view returns (bool) {
        if (_running(_round[task][shown.lastRound].state)) return false;
        bool tooFew = block.timestamp > shown.enrolUntil && shown.enrolled < shown.minClients;
        return shown.lastRound == shown.rounds || block.timestamp > shown.taskUntil || tooFew;
    }
}
