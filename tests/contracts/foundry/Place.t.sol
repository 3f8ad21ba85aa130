// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {Stage} from "./Stage.sol";
import {vm} from "./Vm.sol";

/// @title A place in the cohort counts for one client, one index, one weight and one way up to the root
contract PlaceTest is Stage {
    function setUp() external {
        _enrolled(false);
        vm.warp(block.timestamp + 651);
        _open(1);
    }

    function testFuzz_aChangedPlaceIsRefused(uint256 who, uint256 field, uint256 value) external {
        who = who % ENROLLED;
        CohortPlace memory place = _place(ENROLLED, who);
        bytes32 right = keccak256(abi.encode(place));
        CohortNode memory node = place.siblings[value % place.siblings.length];
        field = field % 5;
        if (field == 0) place.index = value;
        else if (field == 1) place.weight = uint40(value);
        else if (field == 2) node.node = bytes32(value);
        else if (field == 3) node.totals = value;
        else if (field == 4) place.siblings = _resized(place.siblings, value % 5);
        assert(_commit(who, place) == (keccak256(abi.encode(place)) == right));
    }

    function testFuzz_nobodyTakesAnothersPlace(uint256 who, uint256 place) external {
        (who, place) = (who % CLIENTS, place % ENROLLED);
        assert(_commit(who, _place(ENROLLED, place)) == (who == place));
    }

    function _resized(CohortNode[] memory nodes, uint256 size) private pure returns (CohortNode[] memory resized) {
        resized = new CohortNode[](size);
        for (uint256 i = 0; i < size && i < nodes.length; ++i) resized[i] = nodes[i];
    }

    function _commit(uint256 who, CohortPlace memory place) private returns (bool) {
        Commitment memory commitment = Commitment(1, 1, _client(who), SOME, bytes16(0), SOME);
        bytes memory signature = _signed(_clientKey(who), _commitmentHash(commitment));
        return _call(reporter, abi.encodeCall(IHearthLedger.commitDirect, (commitment, signature, place)));
    }
}
