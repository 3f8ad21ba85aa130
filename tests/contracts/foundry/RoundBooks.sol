// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthEvents} from "interfaces/IHearthEvents.sol";
import {Books} from "./Books.sol";
import {Vm} from "./Vm.sol";

/// @title The books' part on rounds: from rosters and draws to what each ended with
abstract contract RoundBooks is Books {
    mapping(uint256 task => mapping(uint256 window => mapping(address authority => bool))) private _rostered;

    function _foldRound(uint256 task, bytes32 topic, Vm.Log memory log) internal override {
        if (topic == IHearthEvents.TakenOver.selector || topic == IHearthEvents.EnrolmentFull.selector) return;
        if (_foldDraw(task, topic, log)) return;
        if (topic == IHearthEvents.RosterPosted.selector) {
            _foldRoster(task, uint256(log.topics[3]), _partyOf(log.topics[2]), log.data);
            return;
        }
        uint64 round = uint64(uint256(log.topics[3]));
        RoundBook storage current = _rounds[task][round];
        if (topic == IHearthEvents.RoundOpened.selector) {
            TaskBook storage book = _books[task];
            // invariant 4: no gap, and nothing running before it
            assert(round == book.last + 1 && round <= book.terms.rounds);
            assert(!_runs(_rounds[task][book.last].state));
            if (book.last % ROSTER_ROUNDS == 0) {
                assert(book.rosters == AUTHORITIES || block.timestamp > _rosterUntilOf(task, book));
                book.rosters = 0;
            }
            assert(book.authorities >= book.terms.threshold && _bonds[task][ledger.taskOf(task).edgeServer] != 0);
            book.last = uint32(round);
            current.openedAt = block.timestamp;
            bytes32 beacon;
            (,,, current.cohort, beacon,,) =
                abi.decode(log.data, (bytes32, bytes32, bytes32, uint32, bytes32, uint48, uint48));
            assert(current.cohort <= book.terms.maxCohort);
            bool draws = book.terms.maxCohort != book.terms.maxClients;
            assert(draws ? beacon != 0 && beacon == blockhash(book.drawnAt) : beacon == 0);
            book.drawnAt = 0;
            _move(current, RoundState.Open);
        } else if (topic == IHearthEvents.BatchCommitted.selector) {
            uint48 objectUntil;
            (,, current.batched, objectUntil) = abi.decode(log.data, (bytes32, bytes32, uint32, uint48));
            assert(current.state == RoundState.Open && current.batchedAt == 0 && current.screening == 0);
            current.batchedAt = block.timestamp;
            // invariant 10: every phone has sent by now, and can object for long enough
            TaskTerms storage terms = _books[task].terms;
            assert(block.timestamp >= current.openedAt + 2 * terms.trainingSeconds);
            assert(objectUntil == block.timestamp + terms.objectionSeconds);
            assert(objectUntil <= current.openedAt + terms.commitSeconds);
        } else if (topic == IHearthEvents.DirectCommitted.selector) {
            ++current.direct;
            // nobody's commitment brings the key forward but that of a planned client
            assert(_isPlanned(current.cohort, _partyOf(log.topics[2])));
            assert(current.state == RoundState.Open && current.screening == 0);
            current.committed[_partyOf(log.topics[2])] = true;
        } else if (topic == IHearthEvents.ScreeningRequested.selector) {
            _foldScreening(task, current, log.data);
        } else if (topic == IHearthEvents.KeyRequested.selector) {
            assert(_couldCommit(task, current));
            current.requested = true;
            _move(current, RoundState.Requested);
        } else if (topic == IHearthEvents.RoundPublished.selector) {
            Publication memory publication = abi.decode(log.data, (Publication));
            _move(current, RoundState.Published);
            TaskTerms storage terms = _books[task].terms;
            uint256 fees = terms.edgeFee + AUTHORITIES * terms.authorityFee;
            uint256 budget = current.cohort * uint256(terms.participation + terms.contribution) + fees;
            _settle(task, round, publication.allocationRoot, publication.allocated, budget);
        } else if (topic == IHearthEvents.RoundAbandoned.selector) {
            (, bytes32 root, uint128 allocated) = abi.decode(log.data, (bytes32, bytes32, uint128));
            _move(current, RoundState.Abandoned);
            _settle(task, round, root, allocated, current.cohort * uint256(_books[task].terms.participation));
        } else if (topic == IHearthEvents.RoundExpired.selector) {
            _move(current, RoundState.Expired);
            _owe(task, current);
        } else if (topic == IHearthEvents.Compensated.selector) {
            _foldCompensated(task, current, _partyOf(log.topics[2]), abi.decode(log.data, (uint128)));
        } else {
            assert(topic == IHearthEvents.RoundFrozen.selector);
            _freeze(task, round, current);
        }
    }

    /// @dev Once, when nobody is left who could commit, by a block that came before.
    function _foldScreening(uint256 task, RoundBook storage current, bytes memory data) private {
        (uint256 number, bytes32 beacon, bytes32 request) = abi.decode(data, (uint256, bytes32, bytes32));
        assert(current.state == RoundState.Open && current.screening == 0 && request != 0);
        assert(_couldCommit(task, current));
        assert(number < block.number && beacon != 0 && beacon == blockhash(number));
        current.screening = request;
    }

    /// @dev Invariant 10, by now and for everybody.
    function _couldCommit(uint256 task, RoundBook storage current) private view returns (bool) {
        TaskTerms storage terms = _books[task].terms;
        bool everyone = current.batched + current.direct >= current.cohort;
        bool undisputed = current.batchedAt == 0 || block.timestamp > current.batchedAt + terms.objectionSeconds;
        return (everyone && undisputed) || block.timestamp > current.openedAt + terms.commitSeconds;
    }

    /// @dev Each draw is of the round to come; one that lapsed costs the task a round.
    function _foldDraw(uint256 task, bytes32 topic, Vm.Log memory log) private returns (bool known) {
        TaskBook storage book = _books[task];
        if (topic == IHearthEvents.CohortDrawn.selector) {
            assert(book.drawnAt == 0 && uint256(log.topics[3]) == book.last + 1);
            book.drawnAt = abi.decode(log.data, (uint48));
            assert(book.drawnAt == block.number + 1);
            return true;
        }
        if (topic != IHearthEvents.DrawLapsed.selector) return false;
        assert(book.drawnAt != 0 && block.number > book.drawnAt + 256);
        book.drawnAt = 0;
        --book.terms.rounds;
        return true;
    }

    /// @dev Invariant 9: what a round owes that was not published is kept back, the whole reward once a key was requested.
    function _owe(uint256 task, RoundBook storage current) private {
        uint256 committed = current.batchedAt != 0 ? current.cohort : current.direct;
        _books[task].reserved += committed * _compensationOf(task, current);
    }

    function _foldCompensated(uint256 task, RoundBook storage current, address client, uint128 amount) private {
        TaskBook storage book = _books[task];
        assert(current.state == RoundState.Expired || current.state == RoundState.Frozen);
        assert(_isPlanned(current.cohort, client) && (current.committed[client] || current.batchedAt != 0));
        assert(!current.compensated[client] && amount == _compensationOf(task, current));
        assert(block.timestamp <= book.claimUntil);
        current.compensated[client] = true;
        book.reserved -= amount;
        book.compensated += amount;
        _received[book.terms.token][client] += amount;
    }

    function _compensationOf(uint256 task, RoundBook storage current) internal view returns (uint128) {
        TaskTerms storage terms = _books[task].terms;
        return current.requested ? terms.participation + terms.contribution : terms.participation;
    }

    /// @dev Before the first round of its window, in time, by an authority that did not say it before.
    function _foldRoster(uint256 task, uint256 window, address authority, bytes memory data) private {
        TaskBook storage book = _books[task];
        (bytes memory held, bytes memory refused) = abi.decode(data, (bytes, bytes));
        assert(window * ROSTER_ROUNDS == book.last && block.timestamp <= _rosterUntilOf(task, book));
        assert(held.length <= book.enrolled + 1 && refused.length <= book.enrolled + 1);
        assert(!_rostered[task][window][authority] && _isListed(book.terms.authorities, authority));
        _rostered[task][window][authority] = true;
        ++book.rosters;
    }

    function _rosterUntilOf(uint256 task, TaskBook storage book) private view returns (uint256) {
        uint256 since = book.last == 0 ? ledger.taskOf(task).enrolUntil : ledger.roundOf(task, book.last).settleUntil;
        return since + ROSTER_SECONDS;
    }

    /// @dev The table of protocol/round/state_table.py.
    function _move(RoundBook storage current, RoundState to) private {
        RoundState from = current.state;
        bool allowed = to == RoundState.Open
            ? from == RoundState.None
            : to == RoundState.Requested
                ? from == RoundState.Open
                : to == RoundState.Published
                    ? from == RoundState.Requested
                    : to == RoundState.Abandoned
                        ? from == RoundState.Open
                        : _runs(from)
                            || (to == RoundState.Frozen && (from == RoundState.Published || from == RoundState.Abandoned));
        assert(allowed);
        current.state = to;
    }

    function _settle(uint256 task, uint64 round, bytes32 root, uint128 allocated, uint256 budget) private {
        TaskBook storage book = _books[task];
        // invariant 5: what was settled before can be disputed no more
        assert(block.timestamp >= book.payableFrom);
        if (book.pendingRound != 0) {
            (book.root, book.allocated, book.budget) = (book.pendingRoot, book.pendingAllocated, book.pendingBudget);
        }
        (book.pendingRound, book.pendingRoot, book.pendingAllocated) = (uint32(round), root, allocated);
        book.pendingBudget = book.budget + budget;
        book.payableFrom = uint48(block.timestamp + book.terms.disputeSeconds);
    }

    function _freeze(uint256 task, uint64 round, RoundBook storage current) private {
        TaskBook storage book = _books[task];
        if (!_runs(current.state)) {
            assert(round == book.pendingRound && block.timestamp < book.payableFrom);
            (book.pendingRound, book.payableFrom, book.pendingRoot) = (0, 0, 0);
            (book.pendingAllocated, book.pendingBudget) = (0, 0);
        }
        _move(current, RoundState.Frozen);
        _owe(task, current);
    }
}
