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
        _log(task, RoundFrozen.selector, round, uint160(culprit), "");
        BondView storage bond = _bond[task][culprit];
        uint128 amount = bond.amount;
        (bond.role, bond.amount) = (Role.None, 0);
        shown.deposits -= amount;
        // nothing is paid out at once: no payee and no token must stop a dispute
        shown.escrow += amount - amount / 2;
        _log(task, BondForfeited.selector, uint160(culprit), uint160(msg.sender), abi.encode(amount));
        _credit(task, msg.sender, amount / 2);
    }
}
