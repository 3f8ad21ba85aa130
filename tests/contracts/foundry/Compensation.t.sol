// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthJudge} from "interfaces/IHearthJudge.sol";
import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {IHearthTasks} from "interfaces/IHearthTasks.sol";
import {Stage} from "./Stage.sol";
import {vm, within} from "./Vm.sol";

/// @title What a round that is not published costs, and whom it pays: no course is cheaper than publishing
contract CompensationTest is Stage {
    uint256 private constant _BATCHED = 0; // the only one of its batch
    uint256 private constant _DIRECT = 1;

    BatchLeaf private _leaf0;

    function setUp() external {
        _enrolled(false);
        vm.warp(block.timestamp + 651);
    }

    /// @dev Whatever is changed in it, a proof pays its client alone, and once.
    function testFuzz_aForgedProofTakesNothing(uint256 field, uint256 value) external {
        _committed();
        _expired();
        BatchLeaf memory leaf = _leaf0;
        CohortPlace memory place = _place(ENROLLED, _BATCHED);
        address client = _client(_BATCHED);
        uint64 round = 1;
        bytes32 honest = keccak256(abi.encode(round, client, place, leaf));
        field = field % 10;
        if (field == 0) round = uint64(value);
        else if (field == 1) client = value % 2 == 0 ? address(uint160(value)) : _client(value % CLIENTS);
        else if (field == 2) place.index = value;
        else if (field == 3) place.weight = uint40(value);
        else if (field == 4) leaf.index = value;
        else if (field == 5) leaf.commitment.client = _client(value % CLIENTS);
        else if (field == 6) leaf.commitment.label = bytes32(value);
        else if (field == 7) leaf.commitment.ciphertext = bytes32(value);
        else if (field == 8) leaf.signature = _signed(_clientKey(value % 2), _commitmentHash(leaf.commitment));
        else leaf.proof = new bytes32[](value % 3);
        bool right = keccak256(abi.encode(round, client, place, leaf)) == honest;
        assert(_compensate(round, client, place, leaf) == right);
        assert(client.balance == (right ? PARTICIPATION : 0));
        assert(!_compensate(round, client, place, leaf));
    }

    /// @dev Of every course that a round can take once its key was requested, publishing is the cheapest for manufacturer
    /// and server together, even where one operator is both, and convicts itself.
    function testFuzz_publishingIsTheCheapestCourse(uint128 gained, uint256 course) external {
        uint256 before = _manufacturer(0).balance + ledger.taskOf(1).escrow + EDGE_BOND;
        _committed();
        // what an honest allocation gives two accepted clients
        uint128 published = 2 * PARTICIPATION + uint128(within(gained, 0, 2 * CONTRIBUTION));
        _must(abi.encodeCall(IHearthLedger.requestKey, (1, 1, SOME)));
        course = course % 3;
        if (course == 0) assert(_settle(SOME, published, false));
        else if (course == 1) _expired();
        else _selfConvicted();
        for (uint256 i = 0; i < 2; ++i) {
            assert(_compensate(1, _client(i), _place(ENROLLED, i), _leaf0) == (course != 0));
        }
        vm.warp((course == 0 ? ledger.taskOf(1).taskUntil : ledger.taskOf(1).claimUntil) + 1);
        assert(_call(reporter, abi.encodeCall(IHearthTasks.refund, (1))));
        _call(reporter, abi.encodeCall(IHearthTasks.returnBond, (1, _server(0))));
        uint256 cost = before - _manufacturer(0).balance - _server(0).balance;
        assert(cost == (course == 0 ? published : 2 * REWARD) && cost >= published);
    }

    /// @dev A server that leaves commitments alone pays for them, and never acts again.
    function test_whoLeavesARoundAlonePaysForIt() external {
        _committed();
        uint256 bond = ledger.bondOf(1, _server(0)).amount;
        _expired();
        assert(ledger.bondOf(1, _server(0)).role == Role.None);
        assert(ledger.bondOf(1, _server(0)).amount == bond - ENROLLED * PARTICIPATION);
        assert(ledger.taskOf(1).reserved == ENROLLED * PARTICIPATION);
        vm.warp(block.timestamp + 1000);
        assert(!_call(_server(0), abi.encodeCall(IHearthLedger.openRound, (1, 2, SOME, SOME, SOME, ENROLLED))));
        assert(_call(_server(1), abi.encodeCall(IHearthLedger.openRound, (1, 2, SOME, SOME, SOME, ENROLLED))));
    }

    function test_whatIsReservedIsNotRefunded() external {
        _committed();
        _expired();
        vm.warp(ledger.taskOf(1).taskUntil + 1);
        assert(_call(reporter, abi.encodeCall(IHearthTasks.refund, (1))));
        assert(ledger.taskOf(1).escrow == ENROLLED * PARTICIPATION);
        assert(_compensate(1, _client(_DIRECT), _place(ENROLLED, _DIRECT), _leaf0));
        vm.warp(ledger.taskOf(1).claimUntil + 1);
        assert(!_compensate(1, _client(_BATCHED), _place(ENROLLED, _BATCHED), _leaf0));
        assert(_call(reporter, abi.encodeCall(IHearthTasks.refund, (1))));
        assert(ledger.taskOf(1).escrow == 0);
    }

    /// @dev One client in the batch, one directly, one not at all.
    function _committed() private {
        _open(1);
        Commitment memory direct = Commitment(1, 1, _client(_DIRECT), SOME, bytes16(0), SOME);
        bytes memory signature = _signed(_clientKey(_DIRECT), _commitmentHash(direct));
        _must(abi.encodeCall(IHearthLedger.commitDirect, (direct, signature, _place(ENROLLED, _DIRECT))));
        _leaf0.commitment = Commitment(1, 1, _client(_BATCHED), SOME, bytes16(0), SOME);
        _leaf0.signature = _signed(_clientKey(_BATCHED), _commitmentHash(_leaf0.commitment));
        vm.warp(block.timestamp + 2 * 20);
        _must(abi.encodeCall(IHearthLedger.commitBatch, (1, 1, _batchLeaf(_leaf0), SOME, 1)));
        vm.warp(ledger.roundOf(1, 1).commitUntil + 1);
    }

    function _expired() private {
        vm.warp(ledger.roundOf(1, 1).settleUntil + 1);
        _must(abi.encodeCall(IHearthLedger.expireRound, (1, 1)));
    }

    /// @dev The operator reports itself, and takes what the reporter gets.
    function _selfConvicted() private {
        IHearthJudge.RoundStatement memory one = IHearthJudge.RoundStatement(1, 1, SOME, 0);
        IHearthJudge.RoundStatement memory other = IHearthJudge.RoundStatement(1, 1, 0, 0);
        bytes memory first = _signed(_serverKey(0), _statementHash(one));
        bytes memory second = _signed(_serverKey(0), _statementHash(other));
        bytes memory proof = abi.encodeCall(IHearthJudge.twoStatements, (_server(0), one, first, other, second));
        _must(abi.encodeCall(IHearthTasks.dispute, (proof)));
        _call(reporter, abi.encodeCall(IHearthTasks.withdraw, (1, _server(0), _server(0))));
    }

    function _compensate(uint64 round, address client, CohortPlace memory place, BatchLeaf memory leaf)
        private
        returns (bool)
    {
        return _call(reporter, abi.encodeCall(IHearthTasks.compensate, (1, round, client, place, leaf)));
    }
}
