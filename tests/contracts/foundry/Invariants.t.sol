// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Handler} from "./Handler.sol";

/// @title docs/invariants.md, after every call of any sequence of calls
contract InvariantsTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private _handler;

    function setUp() external {
        _handler = new Handler();
    }

    /// @dev Asked for by Foundry: what it calls between two looks at the invariants.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](1);
        excluded[0] = FuzzSelector(address(_handler), new bytes4[](1));
        excluded[0].selectors[0] = Handler.finish.selector;
    }

    function invariant_holds() external view {
        _handler.moneyIsConserved();
        _handler.everybodyHasItsOwn();
        _handler.claimsAreCovered();
        _handler.clientsAreAsTheEventsSay();
        _handler.roundsAreAsTheEventsSay();
    }

    function afterInvariant() external {
        _handler.finish();
    }
}
