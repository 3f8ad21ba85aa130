// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./World.sol";

/// @title What the events say of each client's standing, second by second
abstract contract Grades is World {
    mapping(address client => Standing) internal _standings;

    /// @dev Invariant 6: no gain without a waiting period before it, and of one; every loss.
    function _settleStanding(uint256 task, Standing storage standing, uint8 leaf) internal {
        (bool counts, uint8 worth, uint48 since) = _worth(task, standing);
        if (standing.source == 0 || (!counts && worth == FLOOR)) standing.source = uint64(task);
        if (leaf > worth && block.timestamp >= since + WAITING) {
            (worth, since, standing.source) = (worth + 1, uint48(block.timestamp), uint64(task));
        } else if (leaf < worth) {
            (worth, since) = (leaf, uint48(block.timestamp));
        }
        (standing.reputation, standing.since) = (worth, since);
    }

    function _worth(uint256 task, Standing storage standing)
        internal
        view
        returns (bool counts, uint8 reputation, uint48 since)
    {
        counts = standing.source != 0 && (standing.source == task || _isListed(task, standing.source));
        (reputation, since) = (standing.reputation, standing.since);
        while (reputation < FLOOR && block.timestamp >= since + WAITING) {
            (reputation, since) = (reputation + 1, since + WAITING);
        }
        bool fresh = standing.source == 0 || (!counts && reputation >= FLOOR);
        if (fresh) (reputation, since) = (FLOOR, uint48(block.timestamp));
    }

    /// @dev Whether the terms of `task` take the word of who posted `source`.
    function _isListed(uint256 task, uint64 source) internal view virtual returns (bool);
}
