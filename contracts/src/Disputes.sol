// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Payments} from "./Payments.sol";
import {IHearthTasks} from "./interfaces/IHearthTasks.sol";

/// @title What follows from a breach that the judge found
abstract contract Disputes is IHearthTasks, Payments {
    address private immutable _judge;

    constructor(address judge) {
        _judge = judge;
    }

    /// @inheritdoc IHearthTasks
    function dispute(bytes calldata proof) external nonReentrant {
        (uint256 task, uint64 round, address culprit) =
            abi.decode(Address.functionStaticCall(_judge, proof), (uint256, uint64, address));
        BondView storage bond = _bond[task][culprit];
        uint128 owed = bond.role == Role.EdgeServer ? _freeze(task, round, culprit) : 0;
        _dismiss(task, bond);
        uint128 amount = bond.amount;
        // the round's clients come first; so nobody gets anything out of accusing itself
        uint128 share = amount > owed ? (amount - owed) / 2 : 0;
        bond.amount = 0;
        TaskView storage shown = _task[task].shown;
        shown.deposits -= amount;
        // nothing is paid out at once: no payee and no token must stop a dispute
        shown.escrow += amount - share;
        _log(task, BondForfeited.selector, _EVERYONE, uint160(culprit), abi.encode(msg.sender, amount, share));
        _credit(task, msg.sender, share);
    }

    /// @return owed What whoever committed in the round gets instead.
    function _freeze(uint256 task, uint64 round, address culprit) private returns (uint128 owed) {
        TaskView storage shown = _task[task].shown;
        RoundView storage current = _round[task][round];
        bool undecided = round == shown.pendingRound && block.timestamp < shown.payableFrom;
        if (!_running(current.state) && !undecided) revert HearthLedger_RoundUnexpected(task, round, current.state);
        current.state = RoundState.Frozen;
        if (undecided) {
            (shown.pendingRound, shown.payableFrom) = (0, 0);
            (shown.pendingRoot, shown.pendingAllocated) = (0, 0);
        }
        owed = _owed(shown, current);
        shown.reserved += owed;
        _log(task, RoundFrozen.selector, _EVERYONE, round, abi.encode(culprit));
    }
}
