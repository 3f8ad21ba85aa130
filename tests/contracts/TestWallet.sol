// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A client that is a contract (ERC-1271), honest or not. Its word on a hash is the hash and "yes"
contract TestWallet {
    enum Habit {
        Agrees,
        Reverts,
        BurnsGas,
        AnswersShort,
        AnswersOtherwise
    }

    Habit private immutable _habit;

    constructor(Habit habit) {
        _habit = habit;
    }

    receive() external payable {}

    function isValidSignature(bytes32 hash, bytes calldata word) external view returns (bytes4) {
        require(_habit != Habit.Reverts, "never");
        while (_habit == Habit.BurnsGas) {}
        if (_habit == Habit.AnswersShort) {
            assembly {
                mstore(0, shl(224, 0x1626ba7e))
                return(0, 4)
            }
        }
        bool agreed = keccak256(word) == keccak256(abi.encodePacked(hash, "yes"));
        return agreed && _habit == Habit.Agrees ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}
