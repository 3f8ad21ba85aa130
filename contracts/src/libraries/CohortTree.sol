// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthTypes} from "../interfaces/IHearthTypes.sol";

/// @title The Merkle sum tree over a round's cohort, ascending by address: every node adds up what is below it
/// @dev The same as protocol/cohort.py. Totals are one word: count (32 bits), sum of weights (64), sum of their squares
/// (96), largest weight (64). Where a level is odd, an empty node of zeros stands last.
library CohortTree {
    bytes32 private constant _LEAF = keccak256("HearthCohortLeaf(uint256 index,address client,uint256 weight)");
    uint256 private constant _COUNT = 224;
    uint256 private constant _SUM = 160;
    uint256 private constant _SQUARES = 64;
    uint256 private constant _CARRIES = 1 << _COUNT | 1 << _SUM;

    /// @notice Whether `client` stands at its place in a tree of `count` leaves under `root`.
    function holds(bytes32 root, uint32 count, address client, IHearthTypes.CohortPlace calldata place)
        internal
        pure
        returns (bool)
    {
        (bytes32 node, uint256 totals) = _leaf(client, place);
        uint256 path = place.index;
        for (uint256 i = 0; i < place.siblings.length; ++i) {
            IHearthTypes.CohortNode calldata sibling = place.siblings[i];
            node = path & 1 == 0
                ? keccak256(abi.encode(node, totals, sibling.node, sibling.totals))
                : keccak256(abi.encode(sibling.node, sibling.totals, node, totals));
            bool fits;
            (fits, totals) = _add(totals, sibling.totals);
            if (!fits) return false;
            path >>= 1;
        }
        return path == 0 && node == root && totals >> _COUNT == count;
    }

    /// @dev Hashed twice, so that no leaf is an inner node.
    function _leaf(address client, IHearthTypes.CohortPlace calldata place) private pure returns (bytes32, uint256) {
        uint256 weight = place.weight;
        bytes32 inner = keccak256(abi.encode(_LEAF, place.index, client, weight));
        uint256 totals = 1 << _COUNT | weight << _SUM | weight * weight << _SQUARES | weight;
        return (keccak256(bytes.concat(inner)), totals);
    }

    /// @return fits Whether no part of the sum runs over into the next one.
    function _add(uint256 one, uint256 other) private pure returns (bool fits, uint256 totals) {
        (uint256 largest, uint256 second) = (uint64(one), uint64(other));
        (one, other) = (one - largest, other - second);
        unchecked {
            totals = one + other;
        }
        fits = totals >= one && (one ^ other ^ totals) & _CARRIES == 0;
        totals += largest > second ? largest : second;
    }
}
