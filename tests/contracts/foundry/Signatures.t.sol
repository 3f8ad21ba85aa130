// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {IHearthTasks} from "interfaces/IHearthTasks.sol";
import {Stage} from "./Stage.sol";
import {vm, within} from "./Vm.sol";

/// @title A signature counts for what it signs: this message, of this key, on this ledger and chain
contract SignaturesTest is Stage {
    uint256 private constant _ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function setUp() external {
        _enrolled(false);
    }

    function testFuzz_anyKeyEnrolsAndLeavesByItsOwnSignatureAlone(uint256 key, uint256 other, bytes32 envelope) external {
        (key, other) = (within(key, 1, _ORDER - 1), within(other, 1, _ORDER - 1));
        vm.assume(envelope != 0 && ledger.enrolmentOf(1, vm.addr(key)).envelope == 0);
        Enrolment memory enrolment = _enrolment(1, vm.addr(key), envelope);
        bytes32 hash = _enrolmentHash(enrolment);
        assert(_enrol(enrolment, _signed(other, hash)) == (key == other));
        if (key != other) assert(_enrol(enrolment, _signed(key, hash)));
        bytes32 leaving = _leaveHash(1, vm.addr(key));
        assert(_leave(vm.addr(key), _signed(other, leaving)) == (key == other));
        if (key != other) assert(_leave(vm.addr(key), _signed(key, leaving)));
        assert(!_leave(vm.addr(key), _signed(key, leaving)));
    }

    /// @dev A delegated account (EIP-7702) keeps its key.
    function testFuzz_anAccountWithCodeSignsByItsKey(bytes calldata code) external {
        vm.etch(_client(3), code);
        assert(_enrol(_enrolment(1, _client(3), SOME), _signed(_clientKey(3), _enrolmentHash(_enrolment(1, _client(3), SOME)))));
        assert(_leave(_client(3), _signed(_clientKey(3), _leaveHash(1, _client(3)))));
    }

    function testFuzz_aChangedEnrolmentIsRefused(uint256 field, uint256 value) external {
        Enrolment memory enrolment = _enrolment(1, _client(3), SOME);
        bytes memory signature = _signed(_clientKey(3), _enrolmentHash(enrolment));
        bytes32 right = keccak256(abi.encode(enrolment));
        field = field % 8;
        if (field == 0) enrolment.task = value;
        else if (field == 1) enrolment.spec = bytes32(value);
        else if (field == 2) enrolment.client = address(uint160(value));
        else if (field == 3) enrolment.signer = address(uint160(value));
        else if (field == 4) enrolment.envelope = bytes32(value);
        else if (field == 5) enrolment.stake = uint128(value);
        else if (field == 6) enrolment.lockedUntil = uint48(value);
        else enrolment.deadline = uint48(value);
        assert(_enrol(enrolment, signature) == (keccak256(abi.encode(enrolment)) == right));
    }

    function testFuzz_aChangedCommitmentIsRefused(uint256 field, uint256 value) external {
        vm.warp(block.timestamp + 651);
        _open(1);
        Commitment memory commitment = Commitment(1, 1, _client(0), SOME, bytes16(SOME), SOME);
        bytes32 signed = _commitmentHash(commitment);
        bytes memory signature = _signed(_clientKey(0), signed);
        field = field % 6;
        if (field == 0) commitment.task = value;
        else if (field == 1) commitment.round = uint64(value);
        else if (field == 2) commitment.client = value % 2 == 0 ? address(uint160(value)) : _client(value % CLIENTS);
        else if (field == 3) commitment.label = bytes32(value);
        else if (field == 4) commitment.nonce = bytes16(bytes32(value));
        else commitment.ciphertext = bytes32(value);
        assert(_commit(commitment, signature) == (_commitmentHash(commitment) == signed));
    }

    function testFuzz_anotherChainOrLedgerIsRefused(uint64 chain, address elsewhere, bytes32 envelope) external {
        vm.assume(envelope != 0 && chain != 0);
        Enrolment memory enrolment = _enrolment(1, _client(3), envelope);
        (uint256 here, IHearthLedger right) = (block.chainid, ledger);
        vm.chainId(chain);
        bytes memory otherChain = _signed(_clientKey(3), _enrolmentHash(enrolment));
        vm.chainId(here);
        ledger = IHearthLedger(elsewhere);
        bytes memory otherLedger = _signed(_clientKey(3), _enrolmentHash(enrolment));
        ledger = right;
        assert(_enrol(enrolment, otherLedger) == (elsewhere == address(right)));
        if (elsewhere != address(right)) assert(_enrol(enrolment, otherChain) == (chain == here));
    }

    function testFuzz_noOtherBytesAreASignature(bytes memory signature, uint256 at, uint8 flip) external {
        Enrolment memory enrolment = _enrolment(1, _client(3), SOME);
        assert(!_enrol(enrolment, signature));
        bytes memory spoilt = _signed(_clientKey(3), _enrolmentHash(enrolment));
        vm.assume(flip != 0);
        spoilt[at % 65] = bytes1(uint8(spoilt[at % 65]) ^ flip);
        assert(!_enrol(enrolment, spoilt));
    }

    function _leave(address client, bytes memory signature) private returns (bool) {
        return _call(reporter, abi.encodeCall(IHearthTasks.leave, (1, client, signature)));
    }

    function _commit(Commitment memory commitment, bytes memory signature) private returns (bool) {
        return _call(reporter, abi.encodeCall(IHearthLedger.commitDirect, (commitment, signature, _place(ENROLLED, 0))));
    }
}
