// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {Stage} from "./Stage.sol";
import {vm, within} from "./Vm.sol";

/// @title What a settlement may promise, and what a claim may take, whatever anyone writes into them
contract MoneyTest is Stage {
    function setUp() external {
        _requested(true);
    }

    function testFuzz_aSettlementPromisesAtMostTheRoundsBudget(uint128 allocated, uint128 second, bool abandon) external {
        allocated = uint128(within(allocated, 0, 10 * REWARD));
        uint128 budget = 3 * REWARD;
        assert(!_settle(SOME, allocated, true)); // nobody abandons what may be open
        assert(_settle(SOME, allocated, false) == (allocated <= budget));
        if (allocated > budget) return;
        vm.warp(block.timestamp + 1000);
        if (abandon) _open(2);
        else _request(2);
        vm.warp(ledger.roundOf(1, 2).commitUntil + 1);
        second = uint128(within(second, 0, 10 * REWARD));
        uint128 most = allocated + (abandon ? 3 * PARTICIPATION : budget);
        bool fits = allocated <= second && second <= most;
        assert(_settle(SOME, second, abandon) == fits);
    }

    function testFuzz_aClaimTakesWhatTheLeafSaysAndTheContractVouchesFor(uint128 cumulative, uint128 allocated)
        external
    {
        cumulative = uint128(within(cumulative, 0, 5 * REWARD));
        allocated = uint128(within(allocated, 0, 3 * REWARD));
        Entitlement[] memory entries = _entries(cumulative);
        assert(_settle(_root(1, entries), allocated, false));
        vm.warp(block.timestamp + 150);
        bool paid = _claim(1, entries[1], _proof(1, entries, 1));
        assert(paid == (cumulative != 0 && cumulative <= allocated));
        assert(token.balanceOf(_client(1)) == (paid ? cumulative : 0));
        assert(!_claim(1, entries[1], _proof(1, entries, 1)));
    }

    function testFuzz_aForgedLeafOrProofTakesNothing(uint256 field, uint256 value, bytes32 node) external {
        Entitlement[] memory entries = _entries(REWARD);
        assert(_settle(_root(1, entries), 3 * REWARD, false));
        vm.warp(block.timestamp + 150);
        Entitlement memory forged = Entitlement(1, _client(1), REWARD, 3);
        bytes32[] memory proof = _proof(1, entries, 1);
        uint256 task = 1;
        field = field % 8;
        if (field == 0) forged.index = value;
        else if (field == 1) forged.client = _client(value % CLIENTS);
        else if (field == 2) forged.client = address(uint160(value));
        else if (field == 3) forged.cumulative = uint128(value);
        else if (field == 4) forged.reputation = uint8(value);
        else if (field == 5) task = value;
        else if (field == 6) proof[value % 2] = node;
        else proof = new bytes32[](value % 5);
        bytes32 honest = keccak256(abi.encode(1, Entitlement(1, _client(1), REWARD, 3), _proof(1, entries, 1)));
        assert(_claim(task, forged, proof) == (keccak256(abi.encode(task, forged, proof)) == honest));
    }

    /// @dev Any leaves in any order with any flags: never more than each one's due, to it alone.
    function testFuzz_aMultiproofPaysTheDue(uint8[4] calldata chosen, bool[3] calldata flags, uint256 count, bytes32 node)
        external
    {
        Entitlement[] memory entries = _entries(REWARD);
        assert(_settle(_root(1, entries), 3 * REWARD, false));
        vm.warp(block.timestamp + 150);
        count = count % 5;
        Entitlement[] memory leaves = new Entitlement[](count);
        for (uint256 i = 0; i < count; ++i) leaves[i] = entries[chosen[i] % CLIENTS];
        bool[] memory given = new bool[](3);
        for (uint256 i = 0; i < 3; ++i) given[i] = flags[i];
        bytes32[] memory proof = new bytes32[](4 - count);
        for (uint256 i = 0; i < proof.length; ++i) proof[i] = i == 0 ? _half(1, entries, 1) : node;
        _call(reporter, abi.encodeCall(IHearthLedger.claimMany, (1, leaves, proof, given)));
        for (uint256 i = 0; i < CLIENTS; ++i) {
            assert(token.balanceOf(_client(i)) == ledger.enrolmentOf(1, _client(i)).claimed);
            assert(token.balanceOf(_client(i)) <= entries[i].cumulative);
        }
    }

    /// @dev Client 1 is owed `amount`, two others one reward each, and the last one never enrolled.
    function _entries(uint128 amount) private view returns (Entitlement[] memory entries) {
        entries = new Entitlement[](CLIENTS);
        for (uint256 i = 0; i < CLIENTS; ++i) {
            entries[i] = Entitlement(i, _client(i), i == 1 ? amount : i == 3 ? 0 : REWARD, 3);
        }
    }

    function _claim(uint256 task, Entitlement memory leaf, bytes32[] memory proof) private returns (bool) {
        return _call(reporter, abi.encodeCall(IHearthLedger.claim, (task, leaf, proof)));
    }
}
