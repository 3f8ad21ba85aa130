// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {LedgerState} from "./LedgerState.sol";

/// @title What the ledger pays, in the task's token or the chain's own coin, and what it owes instead
abstract contract Payments is LedgerState {
    // what a payee, or a token, may use up of the gas of whoever sends the call
    uint256 private constant _COIN_GAS = 50_000;
    uint256 private constant _TOKEN_GAS = 150_000;
    // what handing that on takes itself: a cold account that is new, with value, and the 64th part that stays behind
    uint256 private constant _CALL_GAS = 40_000;

    function _unstake(uint256 task, address client, EnrolmentView storage enrolment) internal returns (uint128 amount) {
        amount = _task[task].stake;
        enrolment.staked = false;
        _task[task].shown.deposits -= amount;
        _log(task, StakeReturned.selector, uint160(client), abi.encode(amount));
    }

    /// @dev Nothing about a payee or a token makes this fail: what does not arrive is the payee's credit.
    function _pay(uint256 task, address payee, uint128 amount) internal {
        if (amount == 0) return;
        address token = _task[task].shown.token;
        uint256 most = token == address(0) ? _COIN_GAS : _TOKEN_GAS;
        uint256 left = gasleft();
        if (_transfer(token, payee, amount, most)) return;
        // else whoever sends too little gas could turn any payment into a credit
        if (left < most + _CALL_GAS) revert HearthLedger_GasMissing(most + _CALL_GAS);
        _credit(task, payee, amount);
    }

    function _credit(uint256 task, address holder, uint128 amount) internal {
        if (amount == 0) return;
        _credits[task][holder] += amount;
        _task[task].shown.deposits += amount;
        _log(task, Credited.selector, uint160(holder), abi.encode(amount));
    }

    /// @dev What the payee or the token returns is not copied, but for the one word of a token's answer.
    function _transfer(address token, address payee, uint256 amount, uint256 most) internal returns (bool paid) {
        if (token == address(0)) {
            assembly ("memory-safe") {
                paid := call(most, payee, amount, 0, 0, 0, 0)
            }
            return paid;
        }
        bytes memory data = abi.encodeCall(IERC20.transfer, (payee, amount));
        assembly ("memory-safe") {
            let done := call(most, token, 0, add(data, 32), mload(data), 0, 32)
            let silent := and(iszero(returndatasize()), gt(extcodesize(token), 0))
            let agreed := and(gt(returndatasize(), 31), eq(mload(0), 1))
            paid := and(done, or(silent, agreed))
        }
    }
}
