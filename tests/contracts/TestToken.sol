// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A token that everybody may mint, and that misbehaves on demand
contract TestToken {
    mapping(address holder => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    uint256 private _fee;
    bool private _refuses;
    bool private _hesitates;
    mapping(address holder => bool) private _banned;
    address private _target;
    bytes private _data;

    function mint(address holder, uint256 amount) external {
        balanceOf[holder] += amount;
    }

    /// @notice From now on every transfer loses `fee` on its way.
    function charge(uint256 fee) external {
        _fee = fee;
    }

    /// @notice From now on every transfer makes this call first, moves nothing and returns false.
    function refuse(address target, bytes calldata data) external {
        (_refuses, _target, _data) = (true, target, data);
    }

    /// @notice From now on every transfer makes this call first, whatever comes of it.
    function call(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    /// @notice From now on, or no longer, every transfer to `holder` fails.
    function ban(address holder, bool banned) external {
        _banned[holder] = banned;
    }

    /// @notice From now on an allowance changes from zero or to zero only, as USDT has it.
    function hesitate() external {
        _hesitates = true;
    }

    function behave() external {
        (_fee, _refuses, _target) = (0, false, address(0));
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        require(!_hesitates || amount == 0 || allowance[msg.sender][spender] == 0, "not from one to another");
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        if (_target != address(0)) {
            (bool done,) = _target.call(_data);
            require(!(done && _refuses), "entered again");
        }
        if (_refuses) return false;
        require(!_banned[to], "banned");
        balanceOf[from] -= amount;
        balanceOf[to] += amount - _fee;
        return true;
    }
}
