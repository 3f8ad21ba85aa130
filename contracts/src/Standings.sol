// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LedgerState} from "./LedgerState.sol";

/// @title What an address brings from task to task: a reputation that takes time to gain, and the task that gave it
abstract contract Standings is LedgerState {
    /// @dev What a standing is worth in a task now, and from when the next waiting period runs. One that the task does
    /// not count is worth the floor at most: that is what any task may start a new address with.
    function _countedIn(uint256 task, Standing memory standing)
        internal
        view
        returns (bool counts, uint8 reputation, uint48 since)
    {
        (reputation, since) = (standing.reputation, standing.since);
        counts = _isCounted(task, standing.source);
        if (reputation < _floor) {
            uint256 periods = (block.timestamp - since) / _waitingSeconds;
            uint256 missing = _floor - reputation;
            uint256 gained = periods < missing ? periods : missing;
            reputation += uint8(gained);
            since += uint48(gained * _waitingSeconds);
        }
        bool fresh = standing.source == 0 || (!counts && reputation >= _floor);
        if (fresh) (reputation, since) = (_floor, uint48(block.timestamp));
    }

    /// @dev A settled leaf: a loss counts whole and at once, a gain is of one, and only after a waiting period.
    function _settleStanding(uint256 task, Standing storage standing, uint8 leaf, bool freed) internal {
        (uint48 since, uint64 source) = (uint48(block.timestamp), standing.source);
        if (source == 0) {
            // as below, for the first leaf of an address: it is what most claims bring, and this is half of the gas
            (leaf, source) = (leaf < _floor ? leaf : _floor, uint64(task));
        } else {
            (bool counts, uint8 reputation, uint48 last) = _countedIn(task, standing);
            if (!counts && reputation == _floor) source = uint64(task);
            if (leaf > reputation && since - last >= _waitingSeconds) (leaf, source) = (reputation + 1, uint64(task));
            else if (leaf >= reputation) (leaf, since) = (reputation, last);
        }
        (standing.reputation, standing.since) = (leaf, since);
        (standing.task, standing.source) = (freed ? 0 : uint64(task), source);
    }

    /// @dev A task counts what itself gave, and what tasks gave of the manufacturers that its terms list, or of any.
    function _isCounted(uint256 task, uint64 source) private view returns (bool) {
        if (source == task || !_task[task].sourcesListed) return source != 0;
        return _source[task][_task[source].shown.manufacturer];
    }
}
