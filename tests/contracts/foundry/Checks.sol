// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RoundBooks} from "./RoundBooks.sol";

/// @title The numbered invariants of docs/invariants.md, as comparisons of the ledger with the books
abstract contract Checks is RoundBooks {
    /// @dev Invariant 1.
    function moneyIsConserved() public view {
        uint256 native;
        uint256 inToken;
        for (uint256 task = 1; task <= ledger.taskCount(); ++task) {
            TaskBook storage book = _books[task];
            TaskView memory shown = ledger.taskOf(task);
            uint256 paid = book.claimed + book.compensated + book.refunded;
            assert(shown.escrow == book.posted + book.forfeitedToEscrow - paid);
            assert(shown.deposits == book.deposits && shown.reserved == book.reserved);
            if (shown.token == address(0)) native += shown.escrow + shown.deposits;
            else inToken += shown.escrow + shown.deposits;
        }
        assert(address(ledger).balance == native);
        assert(token.balanceOf(address(ledger)) == inToken);
    }

    /// @dev Invariants 1 and 3: whoever is paid has what the events say, and nothing else.
    function everybodyHasItsOwn() public view {
        for (uint256 i = 0; i < CLIENTS; ++i) _hasItsOwn(_client(i));
        for (uint256 i = 0; i < SERVERS; ++i) _hasItsOwn(_server(i));
        for (uint256 i = 0; i < AUTHORITIES; ++i) _hasItsOwn(_authority(i));
        _hasItsOwn(reporter);
        for (uint256 task = 1; task <= ledger.taskCount(); ++task) {
            for (uint256 i = 0; i < CLIENTS; ++i) assert(ledger.creditOf(task, _client(i)) == _owed[task][_client(i)]);
            address manufacturer = _books[task].manufacturer;
            assert(ledger.creditOf(task, manufacturer) == _owed[task][manufacturer]);
            assert(ledger.creditOf(task, reporter) == _owed[task][reporter]);
        }
    }

    function _hasItsOwn(address payee) private view {
        assert(payee.balance == _received[address(0)][payee]);
        assert(token.balanceOf(payee) == _received[address(token)][payee]);
    }

    /// @dev Invariants 2 and 9.
    function claimsAreCovered() public view {
        for (uint256 task = 1; task <= ledger.taskCount(); ++task) {
            TaskBook storage book = _books[task];
            TaskView memory shown = ledger.taskOf(task);
            bool later = book.pendingRound != 0 && block.timestamp >= book.payableFrom;
            (uint256 allocated, uint256 budget) =
                later ? (book.pendingAllocated, book.pendingBudget) : (book.allocated, book.budget);
            assert(shown.claimed <= allocated && allocated <= budget);
            if (block.timestamp > shown.claimUntil) continue;
            uint256 promised = book.pendingRound == 0 ? book.allocated : book.pendingAllocated;
            assert(shown.escrow + shown.claimed >= promised + shown.reserved);
        }
    }

    /// @dev Invariants 3, 6 and 8.
    function clientsAreAsTheEventsSay() public view {
        for (uint256 i = 0; i < CLIENTS; ++i) {
            address client = _client(i);
            Standing memory standing = ledger.standingOf(client);
            assert(standing.reputation <= MAXIMUM);
            assert(keccak256(abi.encode(standing)) == keccak256(abi.encode(_standings[client])));
        }
        for (uint256 task = 1; task <= ledger.taskCount(); ++task) {
            uint256 claimed;
            for (uint256 i = 0; i < CLIENTS; ++i) {
                ClientBook storage client = _clients[task][_client(i)];
                EnrolmentView memory shown = ledger.enrolmentOf(task, _client(i));
                assert(shown.claimed == client.claimed && shown.envelope == client.envelope);
                assert(shown.left == client.left && shown.staked == client.staked && shown.reputation <= MAXIMUM);
                claimed += shown.claimed;
            }
            assert(ledger.taskOf(task).claimed == claimed);
        }
    }

    /// @dev Invariants 4, 5 and 8.
    function roundsAreAsTheEventsSay() public view {
        for (uint256 task = 1; task <= ledger.taskCount(); ++task) {
            TaskBook storage book = _books[task];
            TaskView memory shown = ledger.taskOf(task);
            assert(shown.lastRound == book.last && shown.enrolled == book.enrolled && shown.word == book.word);
            assert(shown.allocationRoot == book.root && shown.allocated == book.allocated);
            assert(shown.pendingRoot == book.pendingRoot && shown.pendingAllocated == book.pendingAllocated);
            assert(shown.pendingRound == book.pendingRound && shown.payableFrom == book.payableFrom);
            for (uint64 round = 1; round <= book.terms.rounds + 1; ++round) {
                RoundBook storage kept = _rounds[task][round];
                RoundView memory current = ledger.roundOf(task, round);
                assert(current.state == kept.state && current.cohort == kept.cohort);
                assert(current.batched == kept.batched && current.direct == kept.direct);
                assert((current.state == RoundState.None) == (round > book.last));
                assert((current.request != 0) == kept.requested && current.screening == kept.screening);
            }
        }
    }
}
