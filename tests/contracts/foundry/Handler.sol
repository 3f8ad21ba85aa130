// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthJudge} from "interfaces/IHearthJudge.sol";
import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {Books} from "./Books.sol";
import {vm, within} from "./Vm.sol";

/// @title Drives two tasks at a time, one in coins and one in a token, with every call the ledger has
/// @dev What the ledger refuses changes nothing and is no failure. An odd `rash` makes a call as it comes; an even one
/// first brings about what usually goes before it, so that short sequences get far.
contract Handler is Books {
    uint256 private constant _MOST_TASKS = 4;

    uint256[2] private _now; // the numbers of the two tasks
    mapping(bytes32 root => Entitlement[]) private _trees;
    mapping(uint256 task => bool) private _lied;
    mapping(uint256 task => mapping(uint64 round => IHearthJudge.BatchLeaf)) private _badLeaf;

    constructor() {
        _build();
        vm.recordLogs();
        _start(0);
        _start(1);
    }

    function post(uint256 which) external {
        which = which % 2;
        bool over = block.timestamp > ledger.taskOf(_now[which]).taskUntil;
        if (over && ledger.taskCount() < _MOST_TASKS) _start(which);
    }

    function enrol(uint256 which, uint256 who, uint256 signer) external {
        (which, who) = (which % 2, who % CLIENTS);
        _enrol(_now[which], who, signer % 8 == 0 ? _clientKey((who + 1) % CLIENTS) : _clientKey(who));
    }

    function leave(uint256 which, uint256 who) external {
        (uint256 task, address client) = (_now[which % 2], _client(who % CLIENTS));
        bytes memory signature = _signed(_clientKey(who % CLIENTS), _leaveHash(task, client));
        _try(reporter, 0, abi.encodeCall(IHearthLedger.leave, (task, client, signature)));
    }

    function placeBond(uint256 which, uint256 who) external {
        _placeBond(_now[which % 2], _holder(who));
    }

    function open(uint256 which, uint256 server, uint256 cohort, uint256 rash) external {
        uint256 task = _now[which % 2];
        if (rash % 2 == 0) _prepare(task);
        if (rash % 2 == 0 && server % 3 == 2) _passTakeover(task);
        _open(task, server, uint32(within(cohort, 1, CLIENTS)));
    }

    function commitBatch(uint256 which, uint256 server, uint256 count, bool bad) external {
        uint256 task = _now[which % 2];
        uint64 round = ledger.taskOf(task).lastRound;
        bytes32 root = SOME;
        if (bad) {
            // signed by another client than it names
            IHearthJudge.BatchLeaf storage leaf = _badLeaf[task][round];
            leaf.commitment = _commitment(task, round, _client(0));
            leaf.signature = _signed(_clientKey(1), _commitmentHash(leaf.commitment));
            root = _batchLeaf(leaf);
        }
        uint32 members = bad ? 1 : uint32(within(count, 0, CLIENTS));
        bytes memory call = abi.encodeCall(IHearthLedger.commitBatch, (task, round, root, SOME, members));
        _try(_inCharge(task, server), 0, call);
    }

    function commitDirect(uint256 which, uint256 who) external {
        uint256 task = _now[which % 2];
        Commitment memory commitment = _commitment(task, ledger.taskOf(task).lastRound, _client(who % CLIENTS));
        bytes memory signature = _signed(_clientKey(who % CLIENTS), _commitmentHash(commitment));
        _try(reporter, 0, abi.encodeCall(IHearthLedger.commitDirect, (commitment, signature)));
    }

    function requestKey(uint256 which, uint256 server, uint256 rash) external {
        uint256 task = _now[which % 2];
        if (rash % 2 == 0) _prepareRequest(task);
        _request(task, server);
    }

    /// @dev One tree in eight promises more than the contract vouches for, and some allocations are more than allowed.
    function settle(uint256 which, uint256 server, uint256 paid, uint256 grade, uint256 lie, bool abandon) external {
        uint256 task = _now[which % 2];
        if (lie % 4 != 3) _prepareSettlement(task, server, abandon);
        TaskBook storage book = _books[task];
        uint64 round = book.last;
        bytes32 base = book.pendingRound == 0 ? book.root : book.pendingRoot;
        (Entitlement[] memory entries, uint128 allocated) = _next(task, base, paid, uint8(grade % (MAXIMUM + 2)));
        if (lie % 8 == 1) {
            entries[paid % CLIENTS].cumulative += REWARD;
            _lied[task] = true;
        }
        allocated += lie % 16 == 2 ? 4 * REWARD : 0;
        bytes32 root = _root(task, entries);
        _keep(root, entries);
        Publication memory publication = Publication(SOME, SOME, root, allocated, 1, 2);
        _try(
            _inCharge(task, server),
            0,
            abandon
                ? abi.encodeCall(IHearthLedger.abandonRound, (task, round, SOME, root, allocated))
                : abi.encodeCall(IHearthLedger.publishRound, (task, round, publication))
        );
    }

    function expire(uint256 which, uint256 rash) external {
        uint256 task = _now[which % 2];
        RoundView memory current = ledger.roundOf(task, ledger.taskOf(task).lastRound);
        if (rash % 4 == 0) _passAfter(current.settleUntil);
        _try(reporter, 0, abi.encodeCall(IHearthLedger.expireRound, (task, ledger.taskOf(task).lastRound)));
    }

    function claim(uint256 which, uint256 who, uint256 rash) external {
        uint256 task = _now[which % 2];
        if (rash % 2 == 0) _pass(ledger.taskOf(task).payableFrom);
        _claim(task, who % CLIENTS);
    }

    /// @dev All four, or the first or second half of the tree.
    function claimMany(uint256 which, uint256 half, uint256 rash) external {
        uint256 task = _now[which % 2];
        if (rash % 2 == 0) _pass(ledger.taskOf(task).payableFrom);
        Entitlement[] memory tree = _payableTree(task);
        if (tree.length == 0) return;
        half = half % 3;
        Entitlement[] memory leaves = half == 2 ? tree : new Entitlement[](2);
        if (half != 2) (leaves[0], leaves[1]) = (tree[2 * half], tree[2 * half + 1]);
        bytes32[] memory proof = new bytes32[](half == 2 ? 0 : 1);
        if (half != 2) proof[0] = _half(task, tree, 1 - half);
        bool[] memory flags = new bool[](half == 2 ? 3 : 2);
        flags[0] = true;
        if (half == 2) (flags[1], flags[2]) = (true, true);
        _try(reporter, 0, abi.encodeCall(IHearthLedger.claimMany, (task, leaves, proof, flags)));
    }

    function dispute(uint256 which, uint256 kind, uint256 who, uint256 lag) external {
        uint256 task = _now[which % 2];
        uint64 round = uint64(within(lag, 1, 1 + uint256(ledger.taskOf(task).lastRound)));
        bytes memory proof;
        if (kind % 4 == 0) proof = _twoStatements(task, round, who % SERVERS);
        else if (kind % 4 == 1) proof = _twoKeys(task, round, who % AUTHORITIES);
        else if (kind % 4 == 2) proof = _receiptIgnored(task, round, who % SERVERS);
        else proof = abi.encodeCall(IHearthJudge.badLeaf, (task, round, _server(who % SERVERS), _badLeaf[task][round]));
        _try(reporter, 0, abi.encodeCall(IHearthLedger.dispute, (proof)));
    }

    function refund(uint256 which) external {
        _try(reporter, 0, abi.encodeCall(IHearthLedger.refund, (_now[which % 2])));
    }

    function returnBond(uint256 which, uint256 who) external {
        _try(reporter, 0, abi.encodeCall(IHearthLedger.returnBond, (_now[which % 2], _holder(who))));
    }

    function returnStake(uint256 which, uint256 who) external {
        _try(reporter, 0, abi.encodeCall(IHearthLedger.returnStake, (_now[which % 2], _client(who % CLIENTS))));
    }

    function wait(uint256 choice, uint256 secs) external {
        choice = choice % 8;
        uint256 most = choice < 4 ? 60 : choice < 6 ? 400 : choice < 7 ? 3000 : 12_000;
        vm.warp(block.timestamp + within(secs, 1, most));
    }

    /// @dev Invariant 7: whatever happened, strangers bring everything to its end, claims of honest trees are all paid,
    /// and in the end the ledger holds nothing.
    function finish() external {
        uint256 tasks = ledger.taskCount();
        for (uint256 task = 1; task <= tasks; ++task) {
            uint64 last = ledger.taskOf(task).lastRound;
            RoundView memory current = ledger.roundOf(task, last);
            if (!_runs(current.state)) continue;
            _passAfter(current.settleUntil);
            _must(abi.encodeCall(IHearthLedger.expireRound, (task, last)));
        }
        for (uint256 task = 1; task <= tasks; ++task) {
            TaskView memory shown = ledger.taskOf(task);
            if (shown.payableFrom <= shown.claimUntil) _pass(shown.payableFrom);
            Entitlement[] memory tree = _payableTree(task);
            if (_lied[task] || tree.length == 0 || block.timestamp > shown.claimUntil) continue;
            for (uint256 i = 0; i < CLIENTS; ++i) {
                if (tree[i].cumulative <= _clients[task][_client(i)].claimed || tree[i].reputation > MAXIMUM) continue;
                assert(_claim(task, i));
                assert(_clients[task][_client(i)].claimed == tree[i].cumulative);
            }
        }
        for (uint256 task = 1; task <= tasks; ++task) {
            _passAfter(ledger.taskOf(task).claimUntil);
        }
        for (uint256 task = 1; task <= tasks; ++task) {
            if (ledger.taskOf(task).escrow != 0) _must(abi.encodeCall(IHearthLedger.refund, (task)));
            for (uint256 i = 0; i < SERVERS + AUTHORITIES; ++i) {
                if (_bonds[task][_holder(i)] == 0) continue;
                _must(abi.encodeCall(IHearthLedger.returnBond, (task, _holder(i))));
            }
            for (uint256 i = 0; i < CLIENTS; ++i) {
                if (!_clients[task][_client(i)].staked) continue;
                _must(abi.encodeCall(IHearthLedger.returnStake, (task, _client(i))));
            }
        }
        assert(address(ledger).balance == 0 && token.balanceOf(address(ledger)) == 0);
    }

    // What goes before.

    function _start(uint256 which) private {
        _now[which] = _post(_terms(which == 1), _manufacturer(which));
        _fold(vm.getRecordedLogs());
    }

    function _prepare(uint256 task) private {
        for (uint256 which = 0; which < 2; ++which) {
            if (block.timestamp > ledger.taskOf(_now[which]).enrolUntil) continue;
            for (uint256 i = 0; i < 2; ++i) {
                _enrol(_now[which], 2 * which + i, _clientKey(2 * which + i));
            }
        }
        for (uint256 i = 0; i < SERVERS + AUTHORITIES; ++i) _placeBond(task, _holder(i));
        _passAfter(ledger.taskOf(task).enrolUntil);
    }

    function _passTakeover(uint256 task) private {
        TaskView memory shown = ledger.taskOf(task);
        uint256 since = shown.lastRound == 0 ? shown.enrolUntil : ledger.roundOf(task, shown.lastRound).settleUntil;
        _passAfter(since + _books[task].terms.takeoverSeconds);
    }

    function _prepareRequest(uint256 task) private {
        TaskView memory shown = ledger.taskOf(task);
        if (!_runs(ledger.roundOf(task, shown.lastRound).state)) {
            _prepare(task);
            _open(task, _placeInCharge(task), 2);
        }
        uint64 round = ledger.taskOf(task).lastRound;
        if (ledger.roundOf(task, round).batched == 0) {
            bytes memory call = abi.encodeCall(IHearthLedger.commitBatch, (task, round, SOME, SOME, 2));
            _try(ledger.taskOf(task).edgeServer, 0, call);
        }
    }

    function _prepareSettlement(uint256 task, uint256 server, bool abandon) private {
        TaskView memory shown = ledger.taskOf(task);
        RoundView memory current = ledger.roundOf(task, shown.lastRound);
        if (shown.payableFrom > block.timestamp) _pass(shown.payableFrom);
        if (abandon && current.state == RoundState.Open) _passAfter(current.commitUntil);
        if (abandon && _runs(current.state)) return;
        if (current.state == RoundState.Requested) return;
        _prepareRequest(task);
        _request(task, server);
    }

    // Calls that more than one of the above make.

    function _enrol(uint256 task, uint256 who, uint256 key) private {
        Enrolment[] memory enrolments = new Enrolment[](1);
        enrolments[0] = Enrolment(task, _client(who), SOME);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _signed(key, _enrolmentHash(enrolments[0]));
        uint256 value = _native(task) ? STAKE : 0;
        bool done = _try(sponsor, value, abi.encodeCall(IHearthLedger.enrol, (enrolments, signatures)));
        assert(!done || key == _clientKey(who));
    }

    function _placeBond(uint256 task, address holder) private {
        IHearthLedger.BondView memory bond = ledger.bondOf(task, holder);
        uint256 amount = bond.role == Role.Authority ? AUTHORITY_BOND : EDGE_BOND;
        _try(sponsor, _native(task) ? amount : 0, abi.encodeCall(IHearthLedger.placeBond, (task, holder)));
    }

    function _open(uint256 task, uint256 server, uint32 cohort) private {
        uint64 round = uint64(ledger.taskOf(task).lastRound) + 1;
        bytes memory call = abi.encodeCall(IHearthLedger.openRound, (task, round, SOME, _label(round), cohort));
        _try(_inCharge(task, server), 0, call);
    }

    function _request(uint256 task, uint256 server) private {
        bytes memory call = abi.encodeCall(IHearthLedger.requestKey, (task, ledger.taskOf(task).lastRound, SOME));
        _try(_inCharge(task, server), 0, call);
    }

    function _claim(uint256 task, uint256 who) private returns (bool) {
        Entitlement[] memory tree = _payableTree(task);
        if (tree.length == 0) return false;
        bytes32[] memory proof = _proof(task, tree, who);
        return _try(reporter, 0, abi.encodeCall(IHearthLedger.claim, (task, tree[who], proof)));
    }

    function _must(bytes memory call) private {
        assert(_try(reporter, 0, call));
    }

    function _try(address sender, uint256 value, bytes memory call) private returns (bool done) {
        vm.getRecordedLogs();
        vm.prank(sender);
        (done,) = address(ledger).call{value: value}(call);
        if (done) _fold(vm.getRecordedLogs());
    }

    // Proofs of a breach.

    function _twoStatements(uint256 task, uint64 round, uint256 who) private view returns (bytes memory) {
        IHearthJudge.RoundStatement memory one = IHearthJudge.RoundStatement(task, round, SOME, 0);
        IHearthJudge.RoundStatement memory other = IHearthJudge.RoundStatement(task, round, bytes32(uint256(2)), 0);
        bytes memory first = _signed(_serverKey(who), _statementHash(one));
        bytes memory second = _signed(_serverKey(who), _statementHash(other));
        return abi.encodeCall(IHearthJudge.twoStatements, (_server(who), one, first, other, second));
    }

    function _twoKeys(uint256 task, uint64 round, uint256 who) private view returns (bytes memory) {
        IHearthJudge.PartialKey memory one;
        (one.task, one.round, one.label, one.authority) = (task, round, _label(round), _authority(who));
        IHearthJudge.PartialKey memory other;
        (other.task, other.round, other.label, other.authority) = (task, round, _label(round), _authority(who));
        other.residues = SOME;
        bytes memory first = _signed(_authorityKey(who), _keyHash(one));
        return abi.encodeCall(IHearthJudge.twoKeys, (one, first, other, _signed(_authorityKey(who), _keyHash(other))));
    }

    function _receiptIgnored(uint256 task, uint64 round, uint256 who) private view returns (bytes memory) {
        Commitment memory promised = _commitment(task, round, _client(0));
        bytes memory receipt = _signed(_serverKey(who), _receiptHash(promised));
        IHearthJudge.BatchLeaf[] memory around = new IHearthJudge.BatchLeaf[](0);
        return abi.encodeCall(IHearthJudge.receiptIgnored, (_server(who), promised, receipt, around));
    }

    // Values.

    function _next(uint256 task, bytes32 base, uint256 paid, uint8 grade)
        private
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

    function _keep(bytes32 root, Entitlement[] memory entries) private {
        if (_trees[root].length != 0) return;
        for (uint256 i = 0; i < CLIENTS; ++i) _trees[root].push(entries[i]);
    }

    function _payableTree(uint256 task) private view returns (Entitlement[] memory) {
        TaskBook storage book = _books[task];
        bool later = book.pendingRound != 0 && block.timestamp >= book.payableFrom;
        return _trees[later ? book.pendingRoot : book.root];
    }

    function _commitment(uint256 task, uint64 round, address client) private pure returns (Commitment memory) {
        return Commitment(task, round, client, _label(round), bytes16(0), SOME);
    }

    function _label(uint64 round) private pure returns (bytes32) {
        return bytes32(uint256(0x1abe1) + round);
    }

    function _holder(uint256 who) private view returns (address) {
        who = who % (SERVERS + AUTHORITIES);
        return who < SERVERS ? _server(who) : _authority(who - SERVERS);
    }

    /// @dev Mostly the one in charge, else the other one.
    function _inCharge(uint256 task, uint256 server) private view returns (address) {
        return server % 3 == 2 ? _server(1 - _placeInCharge(task)) : ledger.taskOf(task).edgeServer;
    }

    function _placeInCharge(uint256 task) private view returns (uint256) {
        return ledger.taskOf(task).edgeServer == _server(0) ? 0 : 1;
    }

    function _native(uint256 task) private view returns (bool) {
        return ledger.taskOf(task).token == address(0);
    }

    function _pass(uint256 instant) private {
        if (block.timestamp < instant) vm.warp(instant);
    }

    function _passAfter(uint256 instant) private {
        _pass(instant + 1);
    }
}
