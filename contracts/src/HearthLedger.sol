// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {LedgerState} from "./LedgerState.sol";
import {Payouts} from "./Payouts.sol";
import {Rounds} from "./Rounds.sol";
import {Views} from "./Views.sol";
import {IHearthTasks} from "./interfaces/IHearthTasks.sol";

/// @title Escrow, commitments and rewards of all tasks of one chain. No owner, no upgrade, no pause.
/// @dev Rounds and claims are here. The functions of IHearthTasks are in HearthTasks, which is named once and for all.
contract HearthLedger is Rounds, Payouts, Views {
    address private immutable _hearthTasks;

    /// @param hearthTasks a HearthTasks of the same rules: whoever relies on the ledger compares both codes.
    constructor(LedgerRules memory rules_, address hearthTasks) LedgerState(rules_) {
        if (hearthTasks.code.length == 0) revert HearthLedger_TermsInvalid("hearthTasks");
        _hearthTasks = hearthTasks;
    }

    /// @inheritdoc IHearthTasks
    function postTask(TaskTerms calldata) external payable returns (uint256) {
        return abi.decode(_delegate(), (uint256));
    }

    /// @inheritdoc IHearthTasks
    function placeBond(uint256, address) external payable {
        _delegate();
    }

    /// @inheritdoc IHearthTasks
    function returnBond(uint256, address) external {
        _delegate();
    }

    /// @inheritdoc IHearthTasks
    function enrol(Enrolment[] calldata, bytes[] calldata) external payable {
        _delegate();
    }

    /// @inheritdoc IHearthTasks
    function enrolWithVouchers(Enrolment[] calldata, bytes[] calldata, bytes calldata) external payable {
        _delegate();
    }

    /// @inheritdoc IHearthTasks
    function postRoster(uint256, uint32, bytes calldata, bytes calldata) external {
        _delegate();
    }

    /// @inheritdoc IHearthTasks
    function leave(uint256, address, bytes calldata) external {
        _delegate();
    }

    /// @inheritdoc IHearthTasks
    function returnStake(uint256, address) external {
        _delegate();
    }

    /// @inheritdoc IHearthTasks
    function dispute(bytes calldata) external {
        _delegate();
    }

    /// @inheritdoc IHearthTasks
    function compensate(uint256, uint64, address, CohortPlace calldata, BatchLeaf calldata) external {
        _delegate();
    }

    /// @inheritdoc IHearthTasks
    function withdraw(uint256, address, address) external {
        _delegate();
    }

    /// @inheritdoc IHearthTasks
    function refund(uint256) external {
        _delegate();
    }

    /// @dev The call as it came, with its sender and its money, by the code of HearthTasks.
    function _delegate() private returns (bytes memory) {
        return Address.functionDelegateCall(_hearthTasks, msg.data);
    }
}
