// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title An honest token that makes one more call, as anybody may, whenever it is moved
contract TrapToken {
    mapping(address holder => uint256) public balanceOf;
    uint256 public sprung;
    bool public entered;
    address private _target;
    bytes private _data;

    function arm(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    function mint(address holder, uint256 amount) external {
        balanceOf[holder] += amount;
    }

    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        (bool done,) = _target.call(_data);
        if (done) entered = true;
        ++sprung;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}
