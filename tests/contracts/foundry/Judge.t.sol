// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthJudge} from "interfaces/IHearthJudge.sol";
import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {Stage} from "./Stage.sol";
import {vm} from "./Vm.sol";

/// @title Each kind of proof convicts as it should, and acquits as soon as one thing in it is not as it should be
contract JudgeTest is Stage {
    bytes32 private constant _OTHER = bytes32(uint256(2));
    address private _judge;
    uint256[] private _sorted; // the enrolled clients' keys, by their addresses

    function setUp() external {
        _enrolled(false);
        vm.warp(block.timestamp + 651);
        // what the ledger judges by was created by the contract that was created before it
        _judge = vm.computeCreateAddress(vm.computeCreateAddress(address(this), 1), 1);
        assert(_judge.code.length != 0);
        for (uint256 i = 0; i < ENROLLED; ++i) {
            _sorted.push(_clientKey(i));
            for (uint256 j = i; j > 0 && vm.addr(_sorted[j]) < vm.addr(_sorted[j - 1]); --j) {
                (_sorted[j], _sorted[j - 1]) = (_sorted[j - 1], _sorted[j]);
            }
        }
    }

    function test_twoStatements() external {
        _open(1);
        assert(_statements(SOME, 0, _OTHER, 0));
        assert(_statements(SOME, SOME, _OTHER, SOME));
        assert(_statements(SOME, SOME, SOME, _OTHER));
        assert(!_statements(SOME, SOME, SOME, SOME));
        assert(!_statements(SOME, 0, SOME, _OTHER));
        assert(!_statements(SOME, _OTHER, SOME, 0));
        IHearthJudge.RoundStatement memory one = IHearthJudge.RoundStatement(1, 1, SOME, 0);
        IHearthJudge.RoundStatement memory other = IHearthJudge.RoundStatement(1, 1, _OTHER, 0);
        assert(!_statementsOf(_server(0), _serverKey(0), _serverKey(1), one, other));
        assert(!_statementsOf(_server(0), _serverKey(1), _serverKey(0), one, other));
        assert(!_statementsOf(_server(1), _serverKey(1), _serverKey(1), one, other)); // not acting
        assert(!_statementsOf(_authority(0), _authorityKey(0), _authorityKey(0), one, other));
        other.round = 2;
        assert(!_statementsOf(_server(0), _serverKey(0), _serverKey(0), one, other));
        (other.round, other.task) = (1, 2);
        assert(!_statementsOf(_server(0), _serverKey(0), _serverKey(0), one, other));
    }

    function test_twoKeys() external {
        _open(1);
        IHearthJudge.PartialKey memory one = _key(SOME, SOME);
        uint256 key = _authorityKey(0);
        assert(_keys(key, key, one, _key(SOME, _OTHER)) && _keys(key, key, one, _key(_OTHER, SOME)));
        assert(_keys(key, key, one, _key(_OTHER, _OTHER)) && !_keys(key, key, one, _key(SOME, SOME)));
        IHearthJudge.PartialKey memory other = _key(SOME, _OTHER);
        assert(!_keys(key, _authorityKey(1), one, other) && !_keys(_authorityKey(1), key, one, other));
        other.task = 2;
        assert(!_keys(key, key, one, other));
        (other.task, other.round) = (1, 2);
        assert(!_keys(key, key, one, other));
        (other.round, other.label) = (1, _OTHER);
        assert(!_keys(key, key, one, other));
        (other.label, other.authority) = (SOME, _authority(1));
        assert(!_keys(key, key, one, other));
        (one.authority, other.authority) = (_server(0), _server(0));
        assert(!_keys(_serverKey(0), _serverKey(0), one, other));
        (one.authority, other.authority) = (reporter, reporter);
        assert(!_keys(key, key, one, other));
    }

    function test_twoOpenings() external {
        _open(1);
        IHearthJudge.PartialKey memory one = _key(SOME, SOME);
        uint256 key = _authorityKey(0);
        assert(_openings(key, one, _key(SOME, _OTHER)) && _openings(key, one, _key(_OTHER, SOME)));
        assert(!_openings(key, one, _key(SOME, SOME)) && !_openings(_authorityKey(1), one, _key(SOME, _OTHER)));
        IHearthJudge.PartialKey memory other = _key(SOME, _OTHER);
        other.label = _OTHER;
        assert(!_openings(key, one, other));
        (bytes memory first, bytes memory second) = (_signed(key, _keyHash(one)), _signed(key, _keyHash(_key(SOME, _OTHER))));
        assert(!_convicts(one.authority, abi.encodeCall(IHearthJudge.twoOpenings, (one, first, _key(SOME, _OTHER), second))));
    }

    function test_twoSightings() external {
        _open(1);
        IHearthJudge.Sighting memory one = _sighting(SOME);
        uint256 key = _authorityKey(0);
        assert(_sightings(key, key, one, _sighting(_OTHER)) && !_sightings(key, key, one, _sighting(SOME)));
        IHearthJudge.Sighting memory other = _sighting(_OTHER);
        assert(!_sightings(key, _authorityKey(1), one, other) && !_sightings(_authorityKey(1), key, one, other));
        other.task = 2;
        assert(!_sightings(key, key, one, other));
        (other.task, other.round) = (1, 2);
        assert(!_sightings(key, key, one, other));
        (other.round, other.kind) = (1, _OTHER);
        assert(!_sightings(key, key, one, other));
        (other.kind, other.label) = (SOME, _OTHER);
        assert(!_sightings(key, key, one, other));
        (other.label, other.authority) = (SOME, _authority(1));
        assert(!_sightings(key, key, one, other));
        (one.authority, other.authority) = (_server(0), _server(0));
        assert(!_sightings(_serverKey(0), _serverKey(0), one, other));
        (one.authority, other.authority) = (reporter, reporter);
        assert(!_sightings(key, key, one, other));
    }

    function test_aReceiptWithoutABatch() external {
        _open(1);
        vm.warp(ledger.roundOf(1, 1).commitUntil);
        assert(!_ignored(0, _serverKey(0), SOME, _none()));
        vm.warp(block.timestamp + 1);
        assert(_ignored(0, _serverKey(0), SOME, _none()));
        assert(!_ignored(0, _serverKey(1), SOME, _none())); // forged
        assert(!_ignored(1, _serverKey(1), SOME, _none())); // not the server of this round
        assert(!_ignored(0, _serverKey(0), _OTHER, _none())); // of another plan
    }

    /// @dev The first and the last client are in the batch, the receipt is of the one between.
    function test_aReceiptWithoutInclusion() external {
        _open(1);
        BatchLeaf[] memory around = _batchOf(0, 2);
        assert(_ignored(0, _serverKey(0), SOME, around));
        assert(!_ignored(0, _serverKey(1), SOME, around));
        (around[0], around[1]) = (around[1], around[0]);
        assert(!_ignored(0, _serverKey(0), SOME, around));
        (around[0], around[1]) = (around[1], around[0]);
        around[1].commitment.nonce = bytes16(uint128(1)); // not a leaf of the batch
        assert(!_ignored(0, _serverKey(0), SOME, around));
        around[1].commitment.nonce = 0;
        around[0].commitment.nonce = bytes16(uint128(1));
        assert(!_ignored(0, _serverKey(0), SOME, around));
    }

    function test_badLeaf() external {
        _open(1);
        BatchLeaf[] memory leaves = _batchOf(0, 2);
        assert(!_bad(0, leaves[0]) && !_bad(0, leaves[1]));
        leaves[0].signature = leaves[1].signature; // no longer what is in the batch
        assert(!_bad(0, leaves[0]));
    }

    function test_aLeafBeyondTheCount() external {
        _open(1);
        BatchLeaf memory leaf = _leafOf(1, 0);
        _commit(_batchLeaf(leaf), 1);
        assert(_bad(0, leaf) && !_bad(1, leaf));
    }

    function test_disorder() external {
        _open(1);
        BatchLeaf[] memory leaves = _batchOf(2, 0);
        assert(_disordered(leaves[0], leaves[1]) && !_disordered(leaves[1], leaves[0]));
        leaves[0].commitment.nonce = bytes16(uint128(1));
        assert(!_disordered(leaves[0], leaves[1]));
        leaves[0].commitment.nonce = 0;
        leaves[1].commitment.nonce = bytes16(uint128(1));
        assert(!_disordered(leaves[0], leaves[1]));
    }

    /// @dev Whoever opened a round answers for its batch, also when another one is acting by now.
    function test_whoseRoundItIs() external {
        vm.warp(ledger.taskOf(1).enrolUntil + 151);
        vm.prank(_server(1));
        ledger.openRound(1, 1, SOME, SOME, SOME, ENROLLED);
        vm.warp(ledger.roundOf(1, 1).commitUntil + 1);
        assert(_ignored(1, _serverKey(1), SOME, _none()) && !_ignored(0, _serverKey(0), SOME, _none()));
        vm.warp(ledger.roundOf(1, 1).commitUntil + 101);
        IHearthJudge.RoundStatement memory one = IHearthJudge.RoundStatement(1, 1, SOME, 0);
        IHearthJudge.RoundStatement memory other = IHearthJudge.RoundStatement(1, 1, _OTHER, 0);
        assert(!_statementsOf(_server(0), _serverKey(0), _serverKey(0), one, other));
        vm.prank(_server(0));
        ledger.requestKey(1, 1, SOME);
        assert(_statementsOf(_server(0), _serverKey(0), _serverKey(0), one, other)); // acting
        assert(_statementsOf(_server(1), _serverKey(1), _serverKey(1), one, other)); // opened it
        assert(_ignored(1, _serverKey(1), SOME, _none()) && !_ignored(0, _serverKey(0), SOME, _none()));
    }

    function _statements(bytes32 label, bytes32 model, bytes32 otherLabel, bytes32 otherModel) private returns (bool) {
        IHearthJudge.RoundStatement memory one = IHearthJudge.RoundStatement(1, 1, label, model);
        IHearthJudge.RoundStatement memory other = IHearthJudge.RoundStatement(1, 1, otherLabel, otherModel);
        return _statementsOf(_server(0), _serverKey(0), _serverKey(0), one, other);
    }

    function _statementsOf(
        address accused,
        uint256 key,
        uint256 otherKey,
        IHearthJudge.RoundStatement memory one,
        IHearthJudge.RoundStatement memory other
    ) private returns (bool) {
        bytes memory first = _signed(key, _statementHash(one));
        bytes memory second = _signed(otherKey, _statementHash(other));
        return _convicts(accused, abi.encodeCall(IHearthJudge.twoStatements, (accused, one, first, other, second)));
    }

    function _key(bytes32 request, bytes32 residues) private view returns (IHearthJudge.PartialKey memory) {
        return IHearthJudge.PartialKey(1, 1, SOME, request, _authority(0), 0, residues);
    }

    function _keys(
        uint256 key,
        uint256 otherKey,
        IHearthJudge.PartialKey memory one,
        IHearthJudge.PartialKey memory other
    ) private returns (bool) {
        bytes memory first = _signed(key, _keyHash(one));
        bytes memory second = _signed(otherKey, _keyHash(other));
        return _convicts(one.authority, abi.encodeCall(IHearthJudge.twoKeys, (one, first, other, second)));
    }

    function _openings(uint256 key, IHearthJudge.PartialKey memory one, IHearthJudge.PartialKey memory other)
        private
        returns (bool)
    {
        (bytes memory first, bytes memory second) = (_signed(key, _openingHash(one)), _signed(key, _openingHash(other)));
        return _convicts(one.authority, abi.encodeCall(IHearthJudge.twoOpenings, (one, first, other, second)));
    }

    function _sighting(bytes32 digest) private view returns (IHearthJudge.Sighting memory) {
        return IHearthJudge.Sighting(1, 1, SOME, SOME, digest, _authority(0));
    }

    function _sightings(
        uint256 key,
        uint256 otherKey,
        IHearthJudge.Sighting memory one,
        IHearthJudge.Sighting memory other
    ) private returns (bool) {
        bytes memory first = _signed(key, _sightingHash(one));
        bytes memory second = _signed(otherKey, _sightingHash(other));
        return _convicts(one.authority, abi.encodeCall(IHearthJudge.twoSightings, (one, first, other, second)));
    }

    /// @dev The receipt is for the second of the sorted clients.
    function _ignored(uint256 server, uint256 key, bytes32 label, BatchLeaf[] memory around)
        private
        returns (bool)
    {
        Commitment memory promised = Commitment(1, 1, vm.addr(_sorted[1]), label, bytes16(0), SOME);
        bytes memory receipt = _signed(key, _receiptHash(promised));
        bytes memory proof = abi.encodeCall(IHearthJudge.receiptIgnored, (_server(server), promised, receipt, around));
        return _convicts(_server(server), proof);
    }

    function _bad(uint256 server, BatchLeaf memory leaf) private returns (bool) {
        return _convicts(_server(server), abi.encodeCall(IHearthJudge.badLeaf, (1, 1, _server(server), leaf)));
    }

    function _disordered(BatchLeaf memory low, BatchLeaf memory high) private returns (bool) {
        return _convicts(_server(0), abi.encodeCall(IHearthJudge.disorder, (1, 1, _server(0), low, high)));
    }

    function _convicts(address accused, bytes memory proof) private returns (bool done) {
        bytes memory verdict;
        vm.prank(address(ledger));
        (done, verdict) = _judge.staticcall(proof);
        assert(!done || keccak256(verdict) == keccak256(abi.encode(1, 1, accused)));
    }

    function _none() private pure returns (BatchLeaf[] memory) {
        return new BatchLeaf[](0);
    }

    /// @dev Commits a batch of two of the sorted clients.
    function _batchOf(uint256 first, uint256 second) private returns (BatchLeaf[] memory leaves) {
        leaves = new BatchLeaf[](2);
        (leaves[0], leaves[1]) = (_leafOf(0, first), _leafOf(1, second));
        for (uint256 i = 0; i < 2; ++i) {
            leaves[i].proof = new bytes32[](1);
            leaves[i].proof[0] = _batchLeaf(leaves[1 - i]);
        }
        _commit(_pair(_batchLeaf(leaves[0]), _batchLeaf(leaves[1])), 2);
    }

    function _leafOf(uint256 index, uint256 who) private view returns (BatchLeaf memory leaf) {
        leaf.index = index;
        leaf.commitment = Commitment(1, 1, vm.addr(_sorted[who]), SOME, bytes16(0), SOME);
        leaf.signature = _signed(_sorted[who], _commitmentHash(leaf.commitment));
    }

    function _commit(bytes32 root, uint32 count) private {
        vm.warp(block.timestamp + 2 * 20);
        assert(_call(_server(0), abi.encodeCall(IHearthLedger.commitBatch, (1, 1, root, SOME, count))));
    }
}
