// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Payments} from "./Payments.sol";
import {IHearthTasks} from "./interfaces/IHearthTasks.sol";

/// @title The deposits of those who work for a task: bonds of edge servers and authorities, stakes of clients
abstract contract Deposits is IHearthTasks, Payments {
    using SafeERC20 for IERC20;

    /// @inheritdoc IHearthTasks
    function placeBond(uint256 task, address holder) external payable nonReentrant known(task) {
        BondView storage bond = _bond[task][holder];
        if (bond.role == Role.None || bond.placed) revert HearthLedger_BondUnexpected(task, holder);
        Task storage posted = _task[task];
        bool authority = bond.role == Role.Authority;
        uint128 amount = authority ? posted.authorityBond : posted.edgeBond;
        _receive(posted.shown.token, amount);
        (bond.placed, bond.amount) = (true, amount);
        posted.shown.deposits += amount;
        if (authority) ++posted.bonded;
        _log(task, BondPlaced.selector, uint160(holder), abi.encode(amount));
    }

    /// @inheritdoc IHearthTasks
    function returnBond(uint256 task, address holder) external nonReentrant known(task) {
        TaskView storage shown = _task[task].shown;
        if (!_ended(task, shown)) revert HearthLedger_TooEarly(shown.taskUntil);
        if (block.timestamp < shown.payableFrom) revert HearthLedger_TooEarly(shown.payableFrom);
        uint128 amount = _bond[task][holder].amount;
        if (amount == 0) revert HearthLedger_NothingToPay(task, holder);
        _bond[task][holder].amount = 0;
        shown.deposits -= amount;
        _log(task, BondReturned.selector, uint160(holder), abi.encode(amount));
        _pay(task, holder, amount);
    }

    /// @inheritdoc IHearthTasks
    function returnStake(uint256 task, address client) external nonReentrant known(task) {
        EnrolmentView storage enrolment = _enrolment[task][client];
        if (!enrolment.staked) revert HearthLedger_NothingToPay(task, client);
        if (_owesLeaf(task, client)) revert HearthLedger_ReputationPending(client, task);
        _pay(task, client, _unstake(task, client, enrolment));
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
}
