// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthEvents} from "interfaces/IHearthEvents.sol";
import {Cohort} from "./Cohort.sol";
import {Grades} from "./Grades.sol";
import {Vm, vm} from "./Vm.sol";

/// @title Books kept from the ledger's events alone; each event must be one that may follow on those before it
abstract contract Books is Cohort, Grades {
    struct TaskBook {
        TaskTerms terms;
        address manufacturer;
        uint48 claimUntil;
        uint256 posted;
        uint256 claimed;
        uint256 refunded;
        uint256 forfeitedToEscrow;
        uint256 compensated;
        uint256 reserved; // what rounds that were not published still owe
        uint48 drawnAt;
        uint256 deposits;
        uint32 authorities; // that placed their bonds
        uint32 enrolled;
        uint32 last;
        uint32 rosters; // for the window that comes
        // the last tree that can be claimed or disputed no more, and the one that still can be disputed, with the sums
        // of the budgets of the rounds they stand for
        bytes32 root;
        uint128 allocated;
        uint256 budget;
        uint32 pendingRound;
        uint48 payableFrom;
        bytes32 pendingRoot;
        uint128 pendingAllocated;
        uint256 pendingBudget;
        bytes32 word;
    }

    struct RoundBook {
        RoundState state;
        uint32 cohort;
        uint32 batched;
        uint32 direct;
        uint256 openedAt;
        uint256 batchedAt;
        bool requested;
        bytes32 screening;
        mapping(address client => bool) committed; // directly
        mapping(address client => bool) compensated;
    }

    struct ClientBook {
        bytes32 envelope;
        uint256 claimed;
        bool left;
        uint32 leftRound;
        bool staked;
    }

    mapping(uint256 task => TaskBook) internal _books;
    mapping(uint256 task => mapping(uint64 round => RoundBook)) internal _rounds;
    mapping(uint256 task => mapping(address client => ClientBook)) internal _clients;
    mapping(uint256 task => mapping(address holder => uint256)) internal _bonds;
    mapping(uint256 task => mapping(address holder => uint256)) internal _owed;
    mapping(address token => mapping(address payee => uint256)) internal _received;
    mapping(bytes32 topic => uint256) public seen;

    function _fold(Vm.Log[] memory logs) internal {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(ledger)) continue;
            bytes32 topic = logs[i].topics[0];
            ++seen[topic];
            uint256 task = uint256(logs[i].topics[1]);
            bytes32 said = keccak256(abi.encodePacked(logs[i].topics, keccak256(logs[i].data)));
            _books[task].word = keccak256(abi.encodePacked(_books[task].word, block.timestamp, said));
            if (topic == IHearthEvents.TaskPosted.selector) _foldPosted(task, logs[i]);
            else if (!_foldMoney(task, topic, logs[i])) _foldRound(task, topic, logs[i]);
        }
    }

    function _foldPosted(uint256 task, Vm.Log memory log) private {
        TaskBook storage book = _books[task];
        uint128 escrow;
        (book.terms, escrow,,, book.claimUntil) = abi.decode(log.data, (TaskTerms, uint128, uint48, uint48, uint48));
        book.manufacturer = _partyOf(log.topics[3]);
        book.posted = escrow;
    }

    /// @return known Whether it was an event of enrolment or money.
    function _foldMoney(uint256 task, bytes32 topic, Vm.Log memory log) private returns (bool known) {
        TaskBook storage book = _books[task];
        address party = _partyOf(log.topics[2]);
        known = true;
        if (topic == IHearthEvents.Enrolled.selector) {
            _foldEnrolled(task, party, log.data);
        } else if (topic == IHearthEvents.Left.selector) {
            assert(!_clients[task][party].left);
            (_clients[task][party].left, _clients[task][party].leftRound) = (true, book.last);
        } else if (topic == IHearthEvents.Claimed.selector) {
            _foldClaimed(task, party, log.data);
        } else if (topic == IHearthEvents.StakeReturned.selector) {
            uint128 amount = abi.decode(log.data, (uint128));
            assert(_clients[task][party].staked && amount == book.terms.stake);
            _clients[task][party].staked = false;
            book.deposits -= amount;
            _received[book.terms.token][party] += amount;
        } else if (topic == IHearthEvents.BondPlaced.selector) {
            uint128 amount = abi.decode(log.data, (uint128));
            _bonds[task][party] += amount;
            book.deposits += amount;
            if (_isListed(book.terms.authorities, party)) ++book.authorities;
        } else if (topic == IHearthEvents.BondReturned.selector) {
            uint128 amount = abi.decode(log.data, (uint128));
            _bonds[task][party] -= amount;
            book.deposits -= amount;
            _received[book.terms.token][party] += amount;
        } else if (topic == IHearthEvents.BondForfeited.selector) {
            _foldForfeited(task, log, _partyOf(log.topics[3]));
        } else if (topic == IHearthEvents.Refunded.selector) {
            uint128 amount = abi.decode(log.data, (uint128));
            assert(party == book.manufacturer);
            book.refunded += amount;
            _received[book.terms.token][party] += amount;
        } else {
            known = _foldCredit(task, topic, log, party);
        }
    }

    /// @dev The clients of a round come first; whoever only left one alone keeps the rest of its bond.
    function _foldForfeited(uint256 task, Vm.Log memory log, address party) private {
        TaskBook storage book = _books[task];
        (address reporter, uint128 amount, uint128 share) = abi.decode(log.data, (address, uint128, uint128));
        if (_isListed(book.terms.authorities, party) && _bonds[task][party] != 0) --book.authorities;
        assert(ledger.bondOf(task, party).role == Role.None && 2 * share <= amount);
        _bonds[task][party] -= amount;
        book.deposits -= amount;
        book.forfeitedToEscrow += amount - share;
        _received[book.terms.token][reporter] += share;
    }

    /// @dev What an event before it in the same call said to be paid did not arrive; or it arrives now.
    function _foldCredit(uint256 task, bytes32 topic, Vm.Log memory log, address party) private returns (bool known) {
        TaskBook storage book = _books[task];
        known = topic == IHearthEvents.Credited.selector || topic == IHearthEvents.Withdrawn.selector;
        if (!known) return false;
        uint128 amount = abi.decode(log.data, (uint128));
        if (topic == IHearthEvents.Credited.selector) {
            _received[book.terms.token][party] -= amount;
            _owed[task][party] += amount;
            book.deposits += amount;
        } else {
            assert(_owed[task][party] == amount);
            _owed[task][party] = 0;
            book.deposits -= amount;
            _received[book.terms.token][_partyOf(log.topics[3])] += amount;
        }
    }

    function _foldEnrolled(uint256 task, address client, bytes memory data) private {
        TaskBook storage book = _books[task];
        ClientBook storage entered = _clients[task][client];
        (bytes32 envelope, uint8 reputation,,,) = abi.decode(data, (bytes32, uint8, address, uint48, bytes));
        assert(entered.envelope == 0 && envelope != 0);
        (entered.envelope, entered.staked) = (envelope, true);
        ++book.enrolled;
        book.deposits += book.terms.stake;
        // invariant 6: the last leaf of the task before was applied, or cannot be any more
        Standing storage standing = _standings[client];
        TaskBook storage before = _books[standing.task];
        bool noTree = _leftAtOnce(standing.task, client) || before.root == 0 && (before.pendingRound == 0 || block.timestamp < before.payableFrom);
        assert(standing.task == 0 || block.timestamp > before.claimUntil || noTree);
        assert(reputation <= MAXIMUM);
        (bool counts, uint8 worth,) = _worth(task, standing);
        bool shed = !counts && (worth == FLOOR || worth > book.terms.initialReputation);
        assert(reputation == (shed ? book.terms.initialReputation : worth));
        standing.task = uint64(task);
    }

    function _leftAtOnce(uint256 task, address client) private view returns (bool) {
        return _clients[task][client].left && _clients[task][client].leftRound == 0;
    }

    function _foldClaimed(uint256 task, address client, bytes memory data) private {
        (uint128 amount, uint128 cumulative, uint8 reputation, bool freed) =
            abi.decode(data, (uint128, uint128, uint8, bool));
        TaskBook storage book = _books[task];
        ClientBook storage paid = _clients[task][client];
        // invariant 3: a claim pays the difference to what was paid before, to somebody of this task
        assert(paid.envelope != 0 && block.timestamp <= book.claimUntil);
        if (amount != 0) assert(paid.claimed + amount == cumulative);
        paid.claimed += amount;
        book.claimed += amount;
        _received[book.terms.token][client] += amount;
        Standing storage standing = _standings[client];
        assert(!freed || standing.task == task);
        if (freed) _nothingIsToCome(task, paid.left ? paid.leftRound : book.last);
        if (standing.task == task) {
            _settleStanding(task, standing, reputation);
            if (freed) standing.task = 0;
        }
    }

    function _isListed(uint256 task, uint64 source) internal view override returns (bool) {
        address[] storage sources = _books[task].terms.reputationSources;
        for (uint256 i = 0; i < sources.length; ++i) {
            if (sources[i] == _books[source].manufacturer) return true;
        }
        return sources.length == 0;
    }

    /// @dev Invariant 6: whoever is freed takes the last leaf along that it can ever have, so none of its rounds runs or
    /// may still be disputed.
    function _nothingIsToCome(uint256 task, uint32 last) private view {
        TaskBook storage book = _books[task];
        for (uint64 round = 1; round <= last; ++round) {
            assert(!_runs(_rounds[task][round].state));
            assert(round != book.pendingRound || block.timestamp >= book.payableFrom);
        }
    }

    function _foldRound(uint256 task, bytes32 topic, Vm.Log memory log) internal virtual;

    function _isListed(address[] storage listed, address party) internal view returns (bool found) {
        for (uint256 i = 0; i < listed.length; ++i) found = found || listed[i] == party;
    }

    function _runs(RoundState state) internal pure returns (bool) {
        return state == RoundState.Open || state == RoundState.Requested;
    }

    function _partyOf(bytes32 topic) internal pure returns (address) {
        return address(uint160(uint256(topic)));
    }
}
