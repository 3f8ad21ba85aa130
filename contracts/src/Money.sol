// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {LedgerState} from "./LedgerState.sol";
import {IHearthLedger} from "./interfaces/IHearthLedger.sol";

/// @title Money in and out, in the task's token or the chain's own coin, and the deposits of those who work for a task
abstract contract Money is LedgerState, ReentrancyGuard {
    using SafeERC20 for IERC20;

    /// @inheritdoc IHearthLedger
    function placeBond(uint256 task, address holder) external payable nonReentrant known(task) {
        BondView storage bond = _bond[task][holder];
        if (bond.role == Role.None || bond.placed) revert HearthLedger_BondUnexpected(task, holder);
        Task storage posted = _task[task];
        bool authority = bond.role == Role.Authority;
        uint128 amount = authority ? posted.authorityBond : posted.edgeBond;
        _receive(posted.shown.token, amount);
        (bond.placed, bond.amount) = (true, amount);
        posted.shown.deposits += amount;
        if (authority && posted.authoritiesMissing != 0) --posted.authoritiesMissing;
        emit BondPlaced(task, holder, amount);
    }

    /// @inheritdoc IHearthLedger
    function returnBond(uint256 task, address holder) external nonReentrant known(task) {
        TaskView storage shown = _task[task].shown;
        if (!_ended(task, shown)) revert HearthLedger_TooEarly(shown.taskUntil);
        if (block.timestamp < shown.payableFrom) revert HearthLedger_TooEarly(shown.payableFrom);
        uint128 amount = _bond[task][holder].amount;
        if (amount == 0) revert HearthLedger_NothingToPay(task, holder);
        _bond[task][holder].amount = 0;
        shown.deposits -= amount;
        emit BondReturned(task, holder, amount);
        _pay(shown.token, holder, amount);
    }

    /// @inheritdoc IHearthLedger
    function returnStake(uint256 task, address client) external nonReentrant known(task) {
        TaskView storage shown = _task[task].shown;
        EnrolmentView storage enrolment = _enrolment[task][client];
        if (!enrolment.staked) revert HearthLedger_NothingToPay(task, client);
        if (_owesLeaf(task, client)) revert HearthLedger_ReputationPending(client, task);
        _pay(shown.token, client, _unstake(task, client, enrolment));
    }

    function _unstake(uint256 task, address client, EnrolmentView storage enrolment) internal returns (uint128 amount) {
        amount = _task[task].stake;
        enrolment.staked = false;
        _task[task].shown.deposits -= amount;
        emit StakeReturned(task, client, amount);
    }

    /// @dev Until the claim period is over; a task that ended without any tree has no leaf to apply.
    function _owesLeaf(uint256 task, address client) internal view returns (bool) {
        TaskView storage shown = _task[task].shown;
        if (block.timestamp > shown.claimUntil) return false;
        (bytes32 root,) = _payable(shown);
        return root != 0 || !_isFinal(task, _enrolment[task][client]);
    }

    /// @dev Takes a deposit of exactly `amount` from the sender; a token must really have brought it.
    function _receive(address token, uint256 amount) internal {
        uint256 received = msg.value;
        if (token != address(0) && amount != 0) {
            if (msg.value != 0) revert HearthLedger_EscrowWrong(msg.value, 0);
            uint256 before = IERC20(token).balanceOf(address(this));
            IERC20(token).trySafeTransferFrom(msg.sender, address(this), amount);
            received = IERC20(token).balanceOf(address(this)) - before;
        }
        if (received != amount) revert HearthLedger_EscrowWrong(received, amount);
    }

    function _pay(address token, address payee, uint256 amount) internal {
        if (amount == 0) return;
        bool paid;
        if (token == address(0)) (paid,) = payee.call{value: amount}("");
        else paid = IERC20(token).trySafeTransfer(payee, amount);
        if (!paid) revert HearthLedger_PaymentFailed(payee, amount);
    }
}
