// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthJudge} from "interfaces/IHearthJudge.sol";
import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {IHearthTasks} from "interfaces/IHearthTasks.sol";
import {Steps} from "./Steps.sol";
import {vm, within} from "./Vm.sol";

/// @title Drives two tasks at a time, one in coins and one in a token, with every call the ledger has
/// @dev What the ledger refuses changes nothing and is no failure. An odd `rash` makes a call as it comes; an even one
/// first brings about what usually goes before it, so that short sequences get far.
contract Handler is Steps {
    uint256 private constant _MOST_TASKS = 4;

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
        _try(reporter, 0, abi.encodeCall(IHearthTasks.leave, (task, client, signature)));
    }

    function placeBond(uint256 which, uint256 who) external {
        _placeBond(_now[which % 2], _holder(who));
    }

    /// @dev Mostly for the window that comes, by an authority, with runs of no more clients than there are.
    function postRoster(uint256 which, uint256 who, uint256 shift, uint256 size) external {
        uint256 task = _now[which % 2];
        uint32 window = ledger.taskOf(task).lastRound / ROSTER_ROUNDS + uint32(shift % 4 == 3 ? 1 : 0);
        bytes memory held = new bytes(size % (CLIENTS + 3));
        address sender = who % 4 == 3 ? _server(0) : _authority(who % AUTHORITIES);
        _try(sender, 0, abi.encodeCall(IHearthTasks.postRoster, (task, window, held, "")));
    }

    function open(uint256 which, uint256 server, uint256 cohort, uint256 rash) external {
        uint256 task = _now[which % 2];
        if (rash % 2 == 0) _prepare(task);
        if (rash % 2 == 0 && server % 3 == 2) _passTakeover(task);
        _open(task, server, uint32(within(cohort, 1, CLIENTS)));
    }

    function draw(uint256 which, uint256 server, uint256 blocks) external {
        uint256 task = _now[which % 2];
        _try(_inCharge(task, server), 0, abi.encodeCall(IHearthLedger.drawCohort, (task)));
        vm.roll(block.number + within(blocks, 1, 300));
    }

    /// @dev A batch of one that can be proven is of the client itself, or signed by another client than it names.
    function commitBatch(uint256 which, uint256 server, uint256 count, uint256 kind) external {
        uint256 task = _now[which % 2];
        uint64 round = ledger.taskOf(task).lastRound;
        bytes32 root = SOME;
        bool one = kind % 3 != 0;
        if (one && ledger.roundOf(task, round).batched == 0) {
            BatchLeaf storage leaf = _onlyLeaf[task][round];
            leaf.commitment = _commitment(task, round, _client(0));
            leaf.signature = _signed(_clientKey(kind % 3 == 1 ? 0 : 1), _commitmentHash(leaf.commitment));
            root = _batchLeaf(leaf);
        }
        uint32 members = one ? 1 : uint32(within(count, 0, CLIENTS));
        bytes memory call = abi.encodeCall(IHearthLedger.commitBatch, (task, round, root, SOME, members));
        _try(_inCharge(task, server), 0, call);
    }

    function commitDirect(uint256 which, uint256 who) external {
        _commitDirect(_now[which % 2], who % CLIENTS);
    }

    function requestKey(uint256 which, uint256 server, uint256 rash) external {
        uint256 task = _now[which % 2];
        if (rash % 2 == 0) _prepareRequest(task);
        _request(task, server);
    }

    /// @dev By a block so far `back`; one of four counts another number of direct commitments.
    function requestScreening(uint256 which, uint256 server, uint256 back, uint256 rash) external {
        uint256 task = _now[which % 2];
        if (rash % 2 == 0) _prepareRequest(task);
        uint64 round = ledger.taskOf(task).lastRound;
        uint32 direct = ledger.roundOf(task, round).direct + uint32(rash % 8 < 2 ? 1 : 0);
        back = within(back, 0, back % 4 == 0 ? 300 : 2);
        uint256 number = back > block.number ? 0 : block.number - back;
        bytes memory call = abi.encodeCall(IHearthLedger.requestScreening, (task, round, number, direct, SOME));
        _try(_inCharge(task, server), 0, call);
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
        if (kind % 5 == 0) proof = _twoStatements(task, round, who % SERVERS);
        else if (kind % 5 == 1) proof = _twoKeys(task, round, who % AUTHORITIES);
        else if (kind % 5 == 2) proof = _receiptIgnored(task, round, who % SERVERS);
        else if (kind % 5 == 3) proof = _twoSightings(task, round, who % AUTHORITIES);
        else proof = abi.encodeCall(IHearthJudge.badLeaf, (task, round, _server(who % SERVERS), _onlyLeaf[task][round]));
        _try(reporter, 0, abi.encodeCall(IHearthTasks.dispute, (proof)));
    }

    function compensate(uint256 which, uint256 who, uint256 lag, uint256 rash) external {
        uint256 task = _now[which % 2];
        if (rash % 2 == 0) _prepareExpiry(task, who % 2);
        _compensate(task, uint64(within(lag, 1, 1 + uint256(ledger.taskOf(task).lastRound))), who % CLIENTS);
        if (rash % 2 == 0) _compensate(task, ledger.taskOf(task).lastRound, who % 2);
    }

    function refund(uint256 which) external {
        _try(reporter, 0, abi.encodeCall(IHearthTasks.refund, (_now[which % 2])));
    }

    function returnBond(uint256 which, uint256 who) external {
        _try(reporter, 0, abi.encodeCall(IHearthTasks.returnBond, (_now[which % 2], _holder(who))));
    }

    function returnStake(uint256 which, uint256 who) external {
        _try(reporter, 0, abi.encodeCall(IHearthTasks.returnStake, (_now[which % 2], _client(who % CLIENTS))));
    }

    /// @dev A payee of the token, or a manufacturer with a wallet of code, takes nothing from now on, or takes it again.
    function ban(uint256 who, bool banned) external {
        who = who % (CLIENTS + 5);
        if (who < 2) vm.etch(_manufacturer(who), banned ? bytes(hex"60006000fd") : bytes(""));
        else token.ban(who < CLIENTS + 2 ? _client(who - 2) : who == CLIENTS + 2 ? reporter : _holder(who), banned);
    }

    /// @dev Of the first from `who` on whom the task owes something, or the other task, if there is one. Who is kept out
    /// of the token is let in first, mostly.
    function withdraw(uint256 which, uint256 who, uint256 sender) external {
        uint256 task = _now[which % 2];
        address holder = _payee(task, who);
        for (uint256 i = 0; i < 2 * (CLIENTS + 2) && _owed[task][holder] == 0; ++i) {
            task = _now[(which % 2 + i) % 2];
            holder = _payee(task, who % 100 + i / 2);
        }
        if (sender % 8 < 6) token.ban(holder, false);
        address to = sender % 4 == 0 ? reporter : holder;
        bool done = _try(sender % 2 == 0 ? holder : sponsor, 0, abi.encodeCall(IHearthTasks.withdraw, (task, holder, to)));
        assert(!done || to == holder || sender % 2 == 0);
    }

    function _payee(uint256 task, uint256 who) private view returns (address) {
        who = who % (CLIENTS + 2);
        return who < CLIENTS ? _client(who) : who == CLIENTS ? reporter : _books[task].manufacturer;
    }

    function wait(uint256 choice, uint256 secs) external {
        choice = choice % 8;
        uint256 most = choice < 4 ? 60 : choice < 6 ? 400 : choice < 7 ? 3000 : 12_000;
        vm.warp(block.timestamp + within(secs, 1, most));
        vm.roll(block.number + within(secs, 1, most / 12 + 1));
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
        for (uint256 task = 1; task <= tasks; ++task) _payWhoCommitted(task);
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
            if (ledger.taskOf(task).escrow != 0) _must(abi.encodeCall(IHearthTasks.refund, (task)));
            for (uint256 i = 0; i < SERVERS + AUTHORITIES; ++i) {
                if (_bonds[task][_holder(i)] == 0) continue;
                _must(abi.encodeCall(IHearthTasks.returnBond, (task, _holder(i))));
            }
            for (uint256 i = 0; i < CLIENTS; ++i) {
                if (!_clients[task][_client(i)].staked) continue;
                _must(abi.encodeCall(IHearthTasks.returnStake, (task, _client(i))));
            }
        }
        _payWhatIsOwed(tasks);
        assert(address(ledger).balance == 0 && token.balanceOf(address(ledger)) == 0);
    }

    /// @dev Invariant 9: no server and no document is needed for it.
    function _payWhoCommitted(uint256 task) private {
        if (block.timestamp > ledger.taskOf(task).claimUntil) return;
        for (uint64 round = 1; round <= _books[task].last; ++round) {
            RoundBook storage current = _rounds[task][round];
            if (current.state != RoundState.Expired && current.state != RoundState.Frozen) continue;
            for (uint256 i = 0; i < CLIENTS; ++i) {
                if (!current.committed[_client(i)] || current.compensated[_client(i)]) continue;
                assert(_compensate(task, round, i));
            }
        }
    }

    /// @dev Once nobody is kept out any more.
    function _payWhatIsOwed(uint256 tasks) private {
        for (uint256 i = 0; i < 2; ++i) vm.etch(_manufacturer(i), "");
        for (uint256 task = 1; task <= tasks; ++task) {
            for (uint256 i = 0; i < CLIENTS + SERVERS + AUTHORITIES; ++i) {
                _withdraw(task, i < CLIENTS ? _client(i) : _holder(i - CLIENTS));
            }
            _withdraw(task, reporter);
            _withdraw(task, _books[task].manufacturer);
        }
    }

    function _withdraw(uint256 task, address holder) private {
        token.ban(holder, false);
        if (_owed[task][holder] != 0) _must(abi.encodeCall(IHearthTasks.withdraw, (task, holder, holder)));
    }
}
