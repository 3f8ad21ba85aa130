// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IHearthJudge} from "./interfaces/IHearthJudge.sol";
import {IHearthLedger} from "./interfaces/IHearthLedger.sol";
import {IHearthTypes} from "./interfaces/IHearthTypes.sol";

/// @title What a contract can find a party guilty of, from signatures and a round's batch alone. Keeps nothing.
contract HearthJudge is IHearthJudge {
    bytes32 private constant _STATEMENT_TYPE =
        keccak256("RoundStatement(uint256 task,uint64 round,bytes32 label,bytes32 model)");
    bytes32 private constant _KEY_TYPE = keccak256(
        "PartialKey(uint256 task,uint64 round,bytes32 label,bytes32 request,address authority,uint64 keyEpoch,bytes32 residues)"
    );
    bytes32 private constant _SIGHTING_TYPE = keccak256(
        "Sighting(uint256 task,uint64 round,bytes32 kind,bytes32 label,bytes32 digest,address authority)"
    );
    bytes32 private constant _RECEIPT_TYPE =
        keccak256("Receipt(uint256 task,uint64 round,bytes32 label,bytes32 commitment)");
    bytes32 private constant _COMMITMENT_TYPE = keccak256(
        "Commitment(uint256 task,uint64 round,address client,bytes32 label,bytes16 nonce,bytes32 ciphertext)"
    );
    bytes32 private constant _COMMITMENT_LEAF =
        keccak256("HearthCommitmentLeaf(uint256 index,bytes32 commitment,bytes32 signature)");

    IHearthLedger private immutable _ledger;

    constructor() {
        _ledger = IHearthLedger(msg.sender);
    }

    /// @inheritdoc IHearthJudge
    function twoStatements(
        address server,
        RoundStatement calldata one,
        bytes calldata oneSignature,
        RoundStatement calldata other,
        bytes calldata otherSignature
    ) external view returns (uint256, uint64, address) {
        bool opened = _listed(one.task, server, IHearthTypes.Role.EdgeServer) == _ledger.roundOf(one.task, one.round).server;
        if (!opened && _ledger.taskOf(one.task).edgeServer != server) revert HearthJudge_NotAccused(server);
        bool labels = one.label != other.label;
        bool models = one.model != 0 && other.model != 0 && one.model != other.model;
        if (one.task != other.task || one.round != other.round || !(labels || models)) revert HearthJudge_NoConflict();
        _signed(keccak256(abi.encode(_STATEMENT_TYPE, one)), server, oneSignature);
        _signed(keccak256(abi.encode(_STATEMENT_TYPE, other)), server, otherSignature);
        return (one.task, one.round, server);
    }

    /// @inheritdoc IHearthJudge
    function twoKeys(
        PartialKey calldata one,
        bytes calldata oneSignature,
        PartialKey calldata other,
        bytes calldata otherSignature
    ) external view returns (uint256, uint64, address) {
        address authority = one.authority;
        _listed(one.task, authority, IHearthTypes.Role.Authority);
        bool same = one.task == other.task && one.round == other.round && one.label == other.label
            && authority == other.authority;
        if (!same || (one.request == other.request && one.residues == other.residues)) revert HearthJudge_NoConflict();
        _signed(keccak256(abi.encode(_KEY_TYPE, one)), authority, oneSignature);
        _signed(keccak256(abi.encode(_KEY_TYPE, other)), authority, otherSignature);
        return (one.task, one.round, authority);
    }

    /// @inheritdoc IHearthJudge
    function twoSightings(
        Sighting calldata one,
        bytes calldata oneSignature,
        Sighting calldata other,
        bytes calldata otherSignature
    ) external view returns (uint256, uint64, address) {
        address authority = one.authority;
        _listed(one.task, authority, IHearthTypes.Role.Authority);
        bool same = one.task == other.task && one.round == other.round && one.kind == other.kind
            && one.label == other.label && authority == other.authority;
        if (!same || one.digest == other.digest) revert HearthJudge_NoConflict();
        _signed(keccak256(abi.encode(_SIGHTING_TYPE, one)), authority, oneSignature);
        _signed(keccak256(abi.encode(_SIGHTING_TYPE, other)), authority, otherSignature);
        return (one.task, one.round, authority);
    }

    /// @inheritdoc IHearthJudge
    function receiptIgnored(
        address server,
        IHearthTypes.Commitment calldata promised,
        bytes calldata receipt,
        BatchLeaf[] calldata around
    ) external view returns (uint256, uint64, address) {
        (uint256 task, uint64 round) = (promised.task, promised.round);
        IHearthTypes.RoundView memory shown = _batcher(task, round, server);
        bytes32 hash = keccak256(abi.encode(_COMMITMENT_TYPE, promised));
        _signed(keccak256(abi.encode(_RECEIPT_TYPE, task, round, promised.label, hash)), server, receipt);
        if (promised.label != shown.label) revert HearthJudge_NoConflict();
        if (shown.batched == 0) {
            if (block.timestamp <= shown.commitUntil) revert HearthJudge_TooEarly(shown.commitUntil);
        } else {
            _between(shown, promised.client, around);
        }
        return (task, round, server);
    }

    /// @inheritdoc IHearthJudge
    function badLeaf(uint256 task, uint64 round, address server, BatchLeaf calldata leaf)
        external
        view
        returns (uint256, uint64, address)
    {
        IHearthTypes.RoundView memory shown = _batcher(task, round, server);
        bytes32 hash = _included(shown, leaf);
        IHearthTypes.Commitment calldata commitment = leaf.commitment;
        bool here = commitment.task == task && commitment.round == round && commitment.label == shown.label;
        bool fair = here && leaf.index < shown.batched && _isBy(hash, commitment.client, leaf.signature)
            && _ledger.enrolmentOf(task, commitment.client).envelope != 0;
        if (fair) revert HearthJudge_NoConflict();
        return (task, round, server);
    }

    /// @inheritdoc IHearthJudge
    function disorder(uint256 task, uint64 round, address server, BatchLeaf calldata low, BatchLeaf calldata high)
        external
        view
        returns (uint256, uint64, address)
    {
        IHearthTypes.RoundView memory shown = _batcher(task, round, server);
        _included(shown, low);
        _included(shown, high);
        if (low.index >= high.index || low.commitment.client < high.commitment.client) revert HearthJudge_NoConflict();
        return (task, round, server);
    }

    /// @dev Nobody stands in the batch where `client` would have to: it is sorted, and leaves carry their index.
    function _between(IHearthTypes.RoundView memory shown, address client, BatchLeaf[] calldata around) private pure {
        if (around.length == 0 || around.length > 2) revert HearthJudge_NoConflict();
        BatchLeaf calldata first = around[0];
        BatchLeaf calldata last = around[around.length - 1];
        _included(shown, first);
        bool absent;
        if (around.length == 2) {
            _included(shown, last);
            absent = first.index + 1 == last.index && first.commitment.client < client && client < last.commitment.client;
        } else {
            bool before = first.index == 0 && client < first.commitment.client;
            absent = before || (first.index + 1 == shown.batched && first.commitment.client < client);
        }
        if (!absent) revert HearthJudge_NoConflict();
    }

    /// @return hash The commitment's EIP-712 struct hash.
    function _included(IHearthTypes.RoundView memory shown, BatchLeaf calldata leaf) private pure returns (bytes32 hash) {
        hash = keccak256(abi.encode(_COMMITMENT_TYPE, leaf.commitment));
        bytes32 inner = keccak256(abi.encode(_COMMITMENT_LEAF, leaf.index, hash, keccak256(leaf.signature)));
        if (!MerkleProof.verifyCalldata(leaf.proof, shown.batchRoot, keccak256(bytes.concat(inner)))) {
            revert HearthJudge_NotInBatch(leaf.index);
        }
    }

    /// @dev The server whose batch it is: the one that opened the round.
    function _batcher(uint256 task, uint64 round, address server)
        private
        view
        returns (IHearthTypes.RoundView memory shown)
    {
        shown = _ledger.roundOf(task, round);
        if (_listed(task, server, IHearthTypes.Role.EdgeServer) != shown.server) revert HearthJudge_NotAccused(server);
    }

    function _listed(uint256 task, address party, IHearthTypes.Role role) private view returns (uint8 index) {
        IHearthTypes.BondView memory bond = _ledger.bondOf(task, party);
        if (bond.role != role) revert HearthJudge_NotAccused(party);
        return bond.index;
    }

    function _signed(bytes32 structHash, address party, bytes calldata signature) private view {
        if (!_isBy(structHash, party, signature)) revert HearthJudge_SignatureInvalid(party);
    }

    function _isBy(bytes32 structHash, address party, bytes calldata signature) private view returns (bool) {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", _ledger.domainSeparator(), structHash));
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, signature);
        return problem == ECDSA.RecoverError.NoError && signer == party;
    }
}
