// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IHearthTypes} from "../interfaces/IHearthTypes.sol";

/// @title The leaves of the two plain trees of a round: commitments of its batch, entitlements of its allocation
/// @dev Each carries its index and is hashed twice, so that no leaf is an inner node. The same as protocol/domain.py.
library Leaves {
    bytes32 private constant _COMMITMENT_TYPE = keccak256(
        "Commitment(uint256 task,uint64 round,address client,bytes32 label,bytes16 nonce,bytes32 ciphertext)"
    );
    bytes32 private constant _COMMITMENT =
        keccak256("HearthCommitmentLeaf(uint256 index,bytes32 commitment,bytes32 signature)");
    bytes32 private constant _ENTITLEMENT =
        keccak256("HearthEntitlementLeaf(uint256 task,uint256 index,address client,uint256 cumulative,uint256 reputation)");

    /// @return The commitment's EIP-712 struct hash.
    function structHash(IHearthTypes.Commitment calldata commitment) internal pure returns (bytes32) {
        return keccak256(abi.encode(_COMMITMENT_TYPE, commitment));
    }

    /// @param commitment Its EIP-712 struct hash.
    function isBatched(bytes32 root, IHearthTypes.BatchLeaf calldata leaf, bytes32 commitment)
        internal
        pure
        returns (bool)
    {
        bytes32 inner = keccak256(abi.encode(_COMMITMENT, leaf.index, commitment, keccak256(leaf.signature)));
        return MerkleProof.verifyCalldata(leaf.proof, root, keccak256(bytes.concat(inner)));
    }

    function entitlement(uint256 task, IHearthTypes.Entitlement calldata leaf) internal pure returns (bytes32) {
        bytes32 inner =
            keccak256(abi.encode(_ENTITLEMENT, task, leaf.index, leaf.client, leaf.cumulative, leaf.reputation));
        return keccak256(bytes.concat(inner));
    }

    function entitlements(uint256 task, IHearthTypes.Entitlement[] calldata leaves)
        internal
        pure
        returns (bytes32[] memory hashes)
    {
        hashes = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            hashes[i] = entitlement(task, leaves[i]);
        }
    }
}
