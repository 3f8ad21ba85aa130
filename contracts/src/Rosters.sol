// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LedgerState} from "./LedgerState.sol";
import {IHearthTasks} from "./interfaces/IHearthTasks.sol";

/// @title Whose keys the authorities hold, said before the windows of rounds begin
abstract contract Rosters is IHearthTasks, LedgerState {
    /// @inheritdoc IHearthTasks
    function postRoster(uint256 task, uint32 window, bytes calldata held, bytes calldata refused)
        external
        known(task)
    {
        Task storage posted = _task[task];
        BondView storage bond = _bond[task][msg.sender];
        if (bond.role != Role.Authority) revert HearthLedger_NotAuthority(msg.sender);
        if (uint256(window) * posted.rosterRounds != posted.shown.lastRound || bond.rosters > window) {
            revert HearthLedger_RosterUnexpected(task, window, bond.rosters);
        }
        uint48 until = _rosterUntil(task);
        if (block.timestamp > until) revert HearthLedger_TooLate(until);
        // run lengths: no more of them than clients and one, and none takes more bytes than it has clients
        uint256 bytesOfAll = uint256(posted.shown.enrolled) + 1;
        if (held.length > bytesOfAll || refused.length > bytesOfAll) {
            revert HearthLedger_RosterUnexpected(task, window, bond.rosters);
        }
        bond.rosters = window + 1;
        ++posted.rosters;
        _log(task, RosterPosted.selector, uint160(msg.sender), window, abi.encode(held, refused));
    }
}
