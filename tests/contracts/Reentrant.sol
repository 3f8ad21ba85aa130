// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A payee that, while it is being paid, makes one more call and refuses the money unless that call succeeds
contract Reentrant {
    address private _target;
    bytes private _data;

    /// @notice The call to make on the next payment; none when `target` is zero.
    function arm(address target, bytes calldata data) external {
        _target = target;
        _data = data;
    }

    /// @notice Makes a call in this contract's name, e.g. postTask.
    function forward(address target, bytes calldata data) external payable {
        (bool done,) = target.call{value: msg.value}(data);
        require(done, "forward");
    }

    fallback() external payable {
        if (_target == address(0)) return;
        (bool done,) = _target.call(_data);
        require(done, "reentered in vain");
    }
}
