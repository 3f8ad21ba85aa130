// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./World.sol";

/// @title Cohorts of the first clients, in their order, all of one weight: the sum tree once more, from the top down
abstract contract Cohort is World {
    uint40 internal constant WEIGHT = 2;

    function _cohortRoot(uint256 count) internal view returns (bytes32 root) {
        (root,) = _node(count, _height(count), 0);
    }

    function _place(uint256 count, uint256 who) internal view returns (CohortPlace memory place) {
        (place.index, place.weight) = (who, WEIGHT);
        place.siblings = new CohortNode[](_height(count));
        for (uint256 level = 0; level < place.siblings.length; ++level) {
            (bytes32 node, uint256 totals) = _node(count, level, (who >> level) ^ 1);
            place.siblings[level] = CohortNode(node, totals);
        }
    }

    function _isPlanned(uint256 count, address client) internal view returns (bool found) {
        for (uint256 i = 0; i < count; ++i) found = found || _client(i) == client;
    }

    /// @dev The node at `place` of a level, 0 for the leaves; zeros where nobody is below it.
    function _node(uint256 count, uint256 level, uint256 place) private view returns (bytes32, uint256) {
        if (place << level >= count) return (0, 0);
        if (level == 0) {
            bytes32 tag = keccak256("HearthCohortLeaf(uint256 index,address client,uint256 weight)");
            bytes32 inner = keccak256(abi.encode(tag, place, _client(place), uint256(WEIGHT)));
            return (keccak256(bytes.concat(inner)), _totals(1));
        }
        (bytes32 left, uint256 leftTotals) = _node(count, level - 1, 2 * place);
        (bytes32 right, uint256 rightTotals) = _node(count, level - 1, 2 * place + 1);
        uint256 end = (place + 1) << level;
        uint256 below = (end < count ? end : count) - (place << level);
        return (keccak256(abi.encode(left, leftTotals, right, rightTotals)), _totals(below));
    }

    function _totals(uint256 clients) private pure returns (uint256) {
        uint256 squares = clients * WEIGHT * WEIGHT;
        return uint256(bytes32(abi.encodePacked(uint32(clients), uint64(clients * WEIGHT), uint96(squares), uint64(WEIGHT))));
    }

    function _height(uint256 count) private pure returns (uint256 height) {
        while (1 << height < count) ++height;
    }
}
