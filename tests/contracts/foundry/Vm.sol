// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the tests use of Foundry's cheat codes
/// @dev https://getfoundry.sh/reference/cheatcodes/overview
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 key) external pure returns (address);
    function assume(bool holds) external pure;
    function chainId(uint256 id) external;
    function computeCreateAddress(address creator, uint256 nonce) external pure returns (address);
    function etch(address account, bytes calldata code) external;
    function deal(address account, uint256 balance) external;
    function getRecordedLogs() external returns (Log[] memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function prank(address sender) external;
    function readFile(string calldata path) external view returns (string memory);
    function recordLogs() external;
    function roll(uint256 number) external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 timestamp) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @notice `value` itself if it is inside, so that the fuzzer's favourites stay what they are.
function within(uint256 value, uint256 low, uint256 high) pure returns (uint256) {
    return value >= low && value <= high ? value : low + value % (high - low + 1);
}
