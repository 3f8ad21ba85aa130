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
        TaskView storage shown = _task[task].shown;
        RoundView storage current = _round[task][round];
        bool undecided = round == shown.pendingRound && block.timestamp < shown.payableFrom;
        if (!_running(current.state) && !undecided) revert HearthLedger_RoundUnexpected(task, round, current.state);
        current.state = RoundState.Frozen;
        if (undecided) {
            (shown.pendingRound, shown.payableFrom) = (0, 0);
            (shown.pendingRoot, shown.pendingAllocated) = (0, 0);
        }
        emit RoundFrozen(task, round, culprit);
        BondView storage bond = _bond[task][culprit];
        uint128 amount = bond.amount;
        (bond.role, bond.amount) = (Role.None, 0);
        shown.deposits -= amount;
        // not paid out at once: a manufacturer that takes no money must not stop a dispute
        shown.escrow += amount - amount / 2;
        emit BondForfeited(task, culprit, msg.sender, amount);
        _pay(shown.token, msg.sender, amount / 2);
    }
}
