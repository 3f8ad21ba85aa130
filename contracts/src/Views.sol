// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LedgerState} from "./LedgerState.sol";
import {IHearthLedger} from "./interfaces/IHearthLedger.sol";

/// @title What everybody may read of the ledger's books
abstract contract Views is IHearthLedger, LedgerState {
    /// @inheritdoc IHearthLedger
    function taskCount() external view returns (uint256) {
        return _tasks;
    }

    /// @inheritdoc IHearthLedger
    function taskOf(uint256 task) external view known(task) returns (TaskView memory) {
        return _task[task].shown;
    }

    /// @inheritdoc IHearthLedger
    function roundOf(uint256 task, uint64 round) external view known(task) returns (RoundView memory) {
        return _round[task][round];
    }

    /// @inheritdoc IHearthLedger
    function enrolmentOf(uint256 task, address client) external view known(task) returns (EnrolmentView memory) {
        return _enrolment[task][client];
    }

    /// @inheritdoc IHearthLedger
    function hasCommittedDirectly(uint256 task, uint64 round, address client) external view returns (bool) {
        return _committed[task][round][client];
    }

    /// @inheritdoc IHearthLedger
    function isCompensated(uint256 task, uint64 round, address client) external view returns (bool) {
        return _compensated[task][round][client];
    }

    /// @inheritdoc IHearthLedger
    function signerOf(uint256 task, address client) external view returns (address) {
        return _signer[task][client];
    }

    /// @inheritdoc IHearthLedger
    function bondOf(uint256 task, address holder) external view returns (BondView memory) {
        return _bond[task][holder];
    }

    /// @inheritdoc IHearthLedger
    function creditOf(uint256 task, address holder) external view returns (uint128) {
        return _credits[task][holder];
    }

    /// @inheritdoc IHearthLedger
    function standingOf(address client) external view returns (Standing memory) {
        return _standing[client];
    }

    /// @inheritdoc IHearthLedger
    function rules() external view returns (LedgerRules memory) {
        return LedgerRules(_maximum, _floor, _waitingSeconds, _claimSeconds);
    }

    /// @inheritdoc IHearthLedger
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }
}
