// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthJudge} from "interfaces/IHearthJudge.sol";
import {IHearthEvents} from "interfaces/IHearthEvents.sol";
import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {IHearthTasks} from "interfaces/IHearthTasks.sol";
import {Checks} from "./Checks.sol";
import {vm} from "./Vm.sol";

/// @title What several calls of the handler have in common: what goes before them, proofs of breaches, trees
abstract contract Steps is Checks {
    uint256[2] internal _now; // the numbers of the two tasks
    mapping(bytes32 root => Entitlement[]) internal _trees;
    mapping(uint256 task => bool) internal _lied;
    mapping(uint256 task => mapping(uint64 round => BatchLeaf)) internal _onlyLeaf; // of a batch of one

    // What goes before.

    function _start(uint256 which) internal {
        vm.getRecordedLogs(); // those of a call that was refused are still there
        _now[which] = _post(_terms(which == 1), _manufacturer(which));
        _fold(vm.getRecordedLogs());
    }

    function _prepare(uint256 task) internal {
        for (uint256 which = 0; which < 2; ++which) {
            if (block.timestamp > ledger.taskOf(_now[which]).enrolUntil) continue;
            for (uint256 i = 0; i < 2; ++i) {
                _enrol(_now[which], 2 * which + i, _clientKey(2 * which + i));
            }
        }
        for (uint256 i = 0; i < SERVERS + AUTHORITIES; ++i) _placeBond(task, _holder(i));
        if (ledger.taskOf(task).lastRound % ROSTER_ROUNDS == 0) _passAfter(_rosterUntil(task));
        _draw(task);
    }

    /// @dev One that lapsed is ended first.
    function _draw(uint256 task) internal {
        bytes memory call = abi.encodeCall(IHearthLedger.drawCohort, (task));
        for (uint256 i = 0; i < 2; ++i) {
            _try(ledger.taskOf(task).edgeServer, 0, call);
            uint48 drawnAt = ledger.taskOf(task).drawnAt;
            if (drawnAt == 0) continue;
            if (block.number <= drawnAt) vm.roll(drawnAt + 1);
            return;
        }
    }

    function _passTakeover(uint256 task) internal {
        _passAfter(_rosterUntil(task) + _books[task].terms.takeoverSeconds);
    }

    function _rosterUntil(uint256 task) internal view returns (uint256) {
        TaskView memory shown = ledger.taskOf(task);
        uint256 since = shown.lastRound == 0 ? shown.enrolUntil : ledger.roundOf(task, shown.lastRound).settleUntil;
        return since + ROSTER_SECONDS;
    }

    function _prepareRequest(uint256 task) internal {
        TaskView memory shown = ledger.taskOf(task);
        if (!_runs(ledger.roundOf(task, shown.lastRound).state)) {
            _prepare(task);
            _open(task, _placeInCharge(task), 2);
        }
        uint64 round = ledger.taskOf(task).lastRound;
        TaskTerms storage terms = _books[task].terms;
        RoundView memory opened = ledger.roundOf(task, round);
        if (opened.batched == 0 && opened.state != RoundState.None) {
            _pass(opened.commitUntil - terms.commitSeconds + 2 * terms.trainingSeconds);
            bytes memory call = abi.encodeCall(IHearthLedger.commitBatch, (task, round, SOME, SOME, 2));
            _try(ledger.taskOf(task).edgeServer, 0, call);
        }
        _passAfter(ledger.roundOf(task, round).objectUntil);
    }

    function _prepareSettlement(uint256 task, uint256 server, bool abandon) internal {
        TaskView memory shown = ledger.taskOf(task);
        RoundView memory current = ledger.roundOf(task, shown.lastRound);
        if (shown.payableFrom > block.timestamp) _pass(shown.payableFrom);
        if (abandon) {
            if (!_runs(current.state)) {
                _prepare(task);
                _open(task, _placeInCharge(task), 2);
            }
            _passAfter(ledger.roundOf(task, ledger.taskOf(task).lastRound).commitUntil);
            return;
        }
        if (current.state == RoundState.Requested) return;
        _prepareRequest(task);
        _request(task, server);
    }

    /// @dev Of a round in which somebody committed.
    function _prepareExpiry(uint256 task, uint256 who) internal {
        if (!_runs(ledger.roundOf(task, ledger.taskOf(task).lastRound).state)) {
            _prepare(task);
            _open(task, _placeInCharge(task), 2);
        }
        _commitDirect(task, who);
        uint64 round = ledger.taskOf(task).lastRound;
        _passAfter(ledger.roundOf(task, round).settleUntil);
        _try(reporter, 0, abi.encodeCall(IHearthLedger.expireRound, (task, round)));
    }

    // Calls that more than one of the above make.

    function _enrol(uint256 task, uint256 who, uint256 key) internal {
        Enrolment[] memory enrolments = new Enrolment[](1);
        enrolments[0] = _enrolment(task, _client(who), SOME);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _signed(key, _enrolmentHash(enrolments[0]));
        uint256 value = _native(task) ? STAKE : 0;
        bool done = _try(sponsor, value, abi.encodeCall(IHearthTasks.enrol, (enrolments, signatures)));
        assert(!done || key == _clientKey(who));
    }

    function _placeBond(uint256 task, address holder) internal {
        IHearthEvents.BondView memory bond = ledger.bondOf(task, holder);
        uint256 amount = bond.role == Role.Authority ? AUTHORITY_BOND : EDGE_BOND;
        _try(sponsor, _native(task) ? amount : 0, abi.encodeCall(IHearthTasks.placeBond, (task, holder)));
    }

    function _open(uint256 task, uint256 server, uint32 cohort) internal {
        uint64 round = uint64(ledger.taskOf(task).lastRound) + 1;
        bytes32 root = _cohortRoot(cohort);
        bytes memory call = abi.encodeCall(IHearthLedger.openRound, (task, round, SOME, _label(round), root, cohort));
        _try(_inCharge(task, server), 0, call);
    }

    function _request(uint256 task, uint256 server) internal {
        bytes memory call = abi.encodeCall(IHearthLedger.requestKey, (task, ledger.taskOf(task).lastRound, SOME));
        _try(_inCharge(task, server), 0, call);
    }

    function _claim(uint256 task, uint256 who) internal returns (bool) {
        Entitlement[] memory tree = _payableTree(task);
        if (tree.length == 0) return false;
        bytes32[] memory proof = _proof(task, tree, who);
        return _try(reporter, 0, abi.encodeCall(IHearthLedger.claim, (task, tree[who], proof)));
    }

    function _commitDirect(uint256 task, uint256 who) internal {
        uint64 round = ledger.taskOf(task).lastRound;
        Commitment memory commitment = _commitment(task, round, _client(who));
        bytes memory signature = _signed(_clientKey(who), _commitmentHash(commitment));
        uint256 cohort = ledger.roundOf(task, round).cohort;
        CohortPlace memory place = _place(cohort, cohort == 0 ? 0 : who % cohort);
        _try(reporter, 0, abi.encodeCall(IHearthLedger.commitDirect, (commitment, signature, place)));
    }

    function _compensate(uint256 task, uint64 round, uint256 who) internal returns (bool) {
        uint256 cohort = _rounds[task][round].cohort;
        CohortPlace memory place = _place(cohort, cohort == 0 ? 0 : who % cohort);
        BatchLeaf memory leaf = _onlyLeaf[task][round];
        bytes memory call = abi.encodeCall(IHearthTasks.compensate, (task, round, _client(who), place, leaf));
        return _try(reporter, 0, call);
    }

    function _must(bytes memory call) internal {
        assert(_try(reporter, 0, call));
    }

    function _try(address sender, uint256 value, bytes memory call) internal returns (bool done) {
        vm.getRecordedLogs();
        vm.prank(sender);
        (done,) = address(ledger).call{value: value}(call);
        if (done) _fold(vm.getRecordedLogs());
    }

    // Proofs of a breach.

    function _twoStatements(uint256 task, uint64 round, uint256 who) internal view returns (bytes memory) {
        IHearthJudge.RoundStatement memory one = IHearthJudge.RoundStatement(task, round, SOME, 0);
        IHearthJudge.RoundStatement memory other = IHearthJudge.RoundStatement(task, round, bytes32(uint256(2)), 0);
        bytes memory first = _signed(_serverKey(who), _statementHash(one));
        bytes memory second = _signed(_serverKey(who), _statementHash(other));
        return abi.encodeCall(IHearthJudge.twoStatements, (_server(who), one, first, other, second));
    }

    function _twoKeys(uint256 task, uint64 round, uint256 who) internal view returns (bytes memory) {
        IHearthJudge.PartialKey memory one;
        (one.task, one.round, one.label, one.authority) = (task, round, _label(round), _authority(who));
        IHearthJudge.PartialKey memory other;
        (other.task, other.round, other.label, other.authority) = (task, round, _label(round), _authority(who));
        other.residues = SOME;
        bytes memory first = _signed(_authorityKey(who), _keyHash(one));
        return abi.encodeCall(IHearthJudge.twoKeys, (one, first, other, _signed(_authorityKey(who), _keyHash(other))));
    }

    function _twoSightings(uint256 task, uint64 round, uint256 who) internal view returns (bytes memory) {
        IHearthJudge.Sighting memory one = IHearthJudge.Sighting(task, round, SOME, _label(round), 0, _authority(who));
        IHearthJudge.Sighting memory other = IHearthJudge.Sighting(task, round, SOME, _label(round), SOME, _authority(who));
        bytes memory first = _signed(_authorityKey(who), _sightingHash(one));
        bytes memory second = _signed(_authorityKey(who), _sightingHash(other));
        return abi.encodeCall(IHearthJudge.twoSightings, (one, first, other, second));
    }

    function _receiptIgnored(uint256 task, uint64 round, uint256 who) internal view returns (bytes memory) {
        Commitment memory promised = _commitment(task, round, _client(0));
        bytes memory receipt = _signed(_serverKey(who), _receiptHash(promised));
        BatchLeaf[] memory around = new BatchLeaf[](0);
        return abi.encodeCall(IHearthJudge.receiptIgnored, (_server(who), promised, receipt, around));
    }

    // Values.

    function _next(uint256 task, bytes32 base, uint256 paid, uint8 grade)
        internal
        view
        returns (Entitlement[] memory entries, uint128 allocated)
    {
        entries = new Entitlement[](CLIENTS);
        Entitlement[] storage before = _trees[base];
        for (uint256 i = 0; i < CLIENTS; ++i) {
            uint128 earned = before.length == 0 ? 0 : before[i].cumulative;
            // no more than two: the smallest cohort's budget covers them
            bool chosen = i == paid % CLIENTS || i == paid / CLIENTS % CLIENTS;
            if (chosen && _clients[task][_client(i)].envelope != 0) earned += REWARD;
            entries[i] = Entitlement(i, _client(i), earned, grade);
            allocated += earned;
        }
    }

    function _keep(bytes32 root, Entitlement[] memory entries) internal {
        if (_trees[root].length != 0) return;
        for (uint256 i = 0; i < CLIENTS; ++i) _trees[root].push(entries[i]);
    }

    function _payableTree(uint256 task) internal view returns (Entitlement[] memory) {
        TaskBook storage book = _books[task];
        bool later = book.pendingRound != 0 && block.timestamp >= book.payableFrom;
        return _trees[later ? book.pendingRoot : book.root];
    }

    function _commitment(uint256 task, uint64 round, address client) internal pure returns (Commitment memory) {
        return Commitment(task, round, client, _label(round), bytes16(0), SOME);
    }

    function _label(uint64 round) internal pure returns (bytes32) {
        return bytes32(uint256(0x1abe1) + round);
    }

    function _holder(uint256 who) internal view returns (address) {
        who = who % (SERVERS + AUTHORITIES);
        return who < SERVERS ? _server(who) : _authority(who - SERVERS);
    }

    /// @dev Mostly the acting one, else the other one.
    function _inCharge(uint256 task, uint256 server) internal view returns (address) {
        return server % 3 == 2 ? _server(1 - _placeInCharge(task)) : ledger.taskOf(task).edgeServer;
    }

    function _placeInCharge(uint256 task) internal view returns (uint256) {
        return ledger.taskOf(task).edgeServer == _server(0) ? 0 : 1;
    }

    function _native(uint256 task) internal view returns (bool) {
        return ledger.taskOf(task).token == address(0);
    }

    function _pass(uint256 instant) internal {
        if (block.timestamp < instant) vm.warp(instant);
    }

    function _passAfter(uint256 instant) internal {
        _pass(instant + 1);
    }
}
