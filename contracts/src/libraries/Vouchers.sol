// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Whether a voucher is the manufacturer's signature for one client of one task
/// @dev The same as protocol/vouchers. RSA with 2048 bits and exponent 65537, by the precompile of EIP-198, over a
/// full-domain hash: eight blocks of Keccak-256, the top bit cleared, so that it is below every modulus with its own set.
library Vouchers {
    bytes32 private constant _TAG = keccak256(
        "HearthVoucher(uint256 chain,address ledger,bytes32 key,uint256 task,address client,uint256 counter)"
    );
    uint256 private constant _BYTES = 256; // of a modulus, and of a voucher

    /// @notice Whether `vouchers` begin with the modulus that `key` names, its top bit set, and have `count` behind it.
    function areFor(bytes32 key, bytes calldata vouchers, uint256 count) internal pure returns (bool) {
        return vouchers.length == (count + 1) * _BYTES && uint8(vouchers[0]) > 0x7f
            && keccak256(vouchers[:_BYTES]) == key;
    }

    /// @notice The voucher at place `i`, behind the modulus.
    function at(bytes calldata vouchers, uint256 i) internal pure returns (bytes calldata) {
        return vouchers[(i + 1) * _BYTES:(i + 2) * _BYTES];
    }

    /// @param vouchers of areFor; the one at place `i` is meant.
    function isSigned(bytes32 key, bytes calldata vouchers, uint256 task, address client, uint256 i)
        internal
        view
        returns (bool signed)
    {
        bytes memory said = abi.encode(_TAG, block.chainid, address(this), key, task, client, uint256(0));
        assembly ("memory-safe") {
            let modulus := vouchers.offset
            let voucher := add(modulus, mul(add(i, 1), 256))
            let input := mload(0x40)
            let power := add(input, 640)
            mstore(input, 256)
            mstore(add(input, 32), 3)
            mstore(add(input, 64), 256)
            calldatacopy(add(input, 96), voucher, 256)
            mstore(add(input, 352), shl(232, 65537))
            calldatacopy(add(input, 355), modulus, 256)
            signed := staticcall(gas(), 5, input, 611, power, 256)
            signed := and(signed, eq(returndatasize(), 256))
            let below := 0
            for { let block_ := 8 } gt(block_, 0) {} {
                block_ := sub(block_, 1)
                let place := mul(block_, 32)
                let word := calldataload(add(voucher, place))
                let limit := calldataload(add(modulus, place))
                below := or(lt(word, limit), and(eq(word, limit), below))
                mstore(add(said, 224), block_)
                let hashed := keccak256(add(said, 32), 224)
                if iszero(block_) { hashed := shr(1, shl(1, hashed)) }
                signed := and(signed, eq(hashed, mload(add(power, place))))
            }
            signed := and(signed, below)
        }
    }
}
