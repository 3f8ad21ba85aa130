// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {LedgerState} from "./LedgerState.sol";

/// @title What the ledger pays, in the task's token or the chain's own coin
abstract contract Payments is LedgerState {
    using SafeERC20 for IERC20;

    function _unstake(uint256 task, address client, EnrolmentView storage enrolment) internal returns (uint128 amount) {
        amount = _task[task].stake;
        enrolment.staked = false;
        _task[task].shown.deposits -= amount;
        emit StakeReturned(task, client, amount);
    }

    function _pay(address token, address payee, uint256 amount) internal {
        if (amount == 0) return;
        bool paid;
        if (token == address(0)) (paid,) = payee.call{value: amount}("");
        else paid = IERC20(token).trySafeTransfer(payee, amount);
        if (!paid) revert HearthLedger_PaymentFailed(payee, amount);
    }
}
