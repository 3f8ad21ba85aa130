// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Payments} from "./Payments.sol";
import {IHearthTasks} from "./interfaces/IHearthTasks.sol";

/// @title What the ledger could not pay, and gives to its owner on demand
abstract contract Credits is IHearthTasks, Payments {
    /// @inheritdoc IHearthTasks
    function withdraw(uint256 task, address holder, address to) external nonReentrant known(task) {
        if (to != holder && msg.sender != holder) revert HearthLedger_NotHolder(msg.sender, holder);
        uint128 amount = _credits[task][holder];
        if (amount == 0) revert HearthLedger_NothingToPay(task, holder);
        _credits[task][holder] = 0;
        TaskView storage shown = _task[task].shown;
        shown.deposits -= amount;
        _log(task, Withdrawn.selector, uint160(holder), uint160(to), abi.encode(amount));
        if (!_transfer(shown.token, to, amount, gasleft())) revert HearthLedger_PaymentFailed(to, amount);
    }
}
