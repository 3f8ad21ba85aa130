// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IHearthJudge} from "./interfaces/IHearthJudge.sol";
import {IHearthLedger} from "./interfaces/IHearthLedger.sol";
import {IHearthTypes} from "./interfaces/IHearthTypes.sol";
import {CohortTree} from "./libraries/CohortTree.sol";
import {Leaves} from "./libraries/Leaves.sol";

/// @title What a contract can find a party guilty of, from signatures and a round's trees alone. Keeps nothing.
/// @dev Its caller is the ledger, for which it judges.
contract HearthJudge is IHearthJudge {
    bytes32 private constant _STATEMENT_TYPE =
        keccak256("RoundStatement(uint256 task,uint64 round,bytes32 label,bytes32 model)");
    bytes32 private constant _KEY_TYPE = keccak256(
        "PartialKey(uint256 task,uint64 round,bytes32 label,bytes32 request,address authority,uint64 keyEpoch,bytes32 residues)"
    );
    bytes32 private constant _OPENING_TYPE = keccak256(
        "Opening(uint256 task,uint64 round,bytes32 label,bytes32 request,address authority,uint64 keyEpoch,bytes32 answers)"
    );
    bytes32 private constant _SIGHTING_TYPE = keccak256(
        "Sighting(uint256 task,uint64 round,bytes32 kind,bytes32 label,bytes32 digest,address authority)"
    );
    bytes32 private constant _RECEIPT_TYPE =
        keccak256("Receipt(uint256 task,uint64 round,bytes32 label,bytes32 commitment)");

    /// @inheritdoc IHearthJudge
    function twoStatements(
        address server,
        RoundStatement calldata one,
        bytes calldata oneSignature,
        RoundStatement calldata other,
        bytes calldata otherSignature
    ) external view returns (uint256, uint64, address) {
        bool opened = _listed(one.task, server, IHearthTypes.Role.EdgeServer) == _ledger().roundOf(one.task, one.round).server;
        if (!opened && _ledger().taskOf(one.task).edgeServer != server) revert HearthJudge_NotAccused(server);
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
        return _twoAnswers(_KEY_TYPE, one, oneSignature, other, otherSignature);
    }

    /// @inheritdoc IHearthJudge
    function twoOpenings(
        PartialKey calldata one,
        bytes calldata oneSignature,
        PartialKey calldata other,
        bytes calldata otherSignature
    ) external view returns (uint256, uint64, address) {
        return _twoAnswers(_OPENING_TYPE, one, oneSignature, other, otherSignature);
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
        IHearthTypes.BatchLeaf[] calldata around
    ) external view returns (uint256, uint64, address) {
        (uint256 task, uint64 round) = (promised.task, promised.round);
        IHearthTypes.RoundView memory shown = _batcher(task, round, server);
        bytes32 hash = Leaves.structHash(promised);
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
    function badLeaf(uint256 task, uint64 round, address server, IHearthTypes.BatchLeaf calldata leaf)
        external
        view
        returns (uint256, uint64, address)
    {
        IHearthTypes.RoundView memory shown = _batcher(task, round, server);
        bytes32 hash = _included(shown, leaf);
        IHearthTypes.Commitment calldata commitment = leaf.commitment;
        bool here = commitment.task == task && commitment.round == round && commitment.label == shown.label;
        bool fair = here && leaf.index < shown.batched && _isBy(hash, _signer(task, commitment.client), leaf.signature)
            && _ledger().enrolmentOf(task, commitment.client).envelope != 0;
        if (fair) revert HearthJudge_NoConflict();
        return (task, round, server);
    }

    /// @inheritdoc IHearthJudge
    function disorder(uint256 task, uint64 round, address server, IHearthTypes.BatchLeaf calldata low, IHearthTypes.BatchLeaf calldata high)
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

    /// @inheritdoc IHearthJudge
    function unplannedLeaf(
        uint256 task,
        uint64 round,
        address server,
        IHearthTypes.BatchLeaf calldata leaf,
        IHearthTypes.PlacedClient[] calldata around
    ) external view returns (uint256, uint64, address) {
        IHearthTypes.RoundView memory shown = _batcher(task, round, server);
        _included(shown, leaf);
        if (around.length == 0 || around.length > 2) revert HearthJudge_NoConflict();
        for (uint256 i = 0; i < around.length; ++i) {
            if (!CohortTree.holds(shown.cohortRoot, shown.cohort, around[i].client, around[i].place)) {
                revert HearthJudge_NoConflict();
            }
        }
        uint256 first = around[0].place.index;
        uint256 last = around[around.length - 1].place.index;
        address client = leaf.commitment.client;
        bool above = around[0].client < client;
        bool absent = around.length == 2
            ? first + 1 == last && above && client < around[1].client
            : (first == 0 && client < around[0].client) || (first + 1 == shown.cohort && above);
        if (!absent) revert HearthJudge_NoConflict();
        return (task, round, server);
    }

    /// @inheritdoc IHearthJudge
    function loweredLeaf(uint256 task, address server, ProvenLeaf calldata standing, ProvenLeaf calldata lowered)
        external
        view
        returns (uint256, uint64, address)
    {
        IHearthTypes.TaskView memory shown = _settler(task, server);
        bool proven = _holds(task, shown.allocationRoot, standing) && _holds(task, shown.pendingRoot, lowered);
        bool less = standing.leaf.client == lowered.leaf.client && lowered.leaf.cumulative < standing.leaf.cumulative;
        if (!proven || !less) revert HearthJudge_NoConflict();
        return (task, shown.pendingRound, server);
    }

    /// @inheritdoc IHearthJudge
    function overAllocated(
        uint256 task,
        address server,
        IHearthTypes.Entitlement[] calldata leaves,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external view returns (uint256, uint64, address) {
        IHearthTypes.TaskView memory shown = _settler(task, server);
        uint256 sum = 0;
        for (uint256 i = 0; i < leaves.length; ++i) {
            // each once
            if (i != 0 && leaves[i].index >= leaves[i - 1].index) revert HearthJudge_NoConflict();
            sum += leaves[i].cumulative;
        }
        bytes32[] memory hashes = Leaves.entitlements(task, leaves);
        bool waits = MerkleProof.multiProofVerifyCalldata(proof, proofFlags, shown.pendingRoot, hashes);
        if (!waits || sum <= shown.pendingAllocated) revert HearthJudge_NoConflict();
        return (task, shown.pendingRound, server);
    }

    /// @param kind The EIP-712 type that both were signed as.
    function _twoAnswers(
        bytes32 kind,
        PartialKey calldata one,
        bytes calldata oneSignature,
        PartialKey calldata other,
        bytes calldata otherSignature
    ) private view returns (uint256, uint64, address) {
        address authority = one.authority;
        _listed(one.task, authority, IHearthTypes.Role.Authority);
        bool same = one.task == other.task && one.round == other.round && one.label == other.label
            && authority == other.authority;
        if (!same || (one.request == other.request && one.residues == other.residues)) revert HearthJudge_NoConflict();
        _signed(keccak256(abi.encode(kind, one)), authority, oneSignature);
        _signed(keccak256(abi.encode(kind, other)), authority, otherSignature);
        return (one.task, one.round, authority);
    }

    function _holds(uint256 task, bytes32 root, ProvenLeaf calldata proven) private pure returns (bool) {
        return MerkleProof.verifyCalldata(proven.proof, root, Leaves.entitlement(task, proven.leaf));
    }

    /// @dev The server that settled the round whose payout waits.
    function _settler(uint256 task, address server) private view returns (IHearthTypes.TaskView memory shown) {
        shown = _ledger().taskOf(task);
        bool settled = _listed(task, server, IHearthTypes.Role.EdgeServer) == shown.pendingServer;
        if (!settled || shown.pendingRound == 0) revert HearthJudge_NotAccused(server);
    }

    /// @dev The key that signs for a client.
    function _signer(uint256 task, address client) private view returns (address named) {
        named = _ledger().signerOf(task, client);
        if (named == address(0)) named = client;
    }

    /// @dev Nobody stands in the batch where `client` would have to: it is sorted, and leaves carry their index.
    function _between(IHearthTypes.RoundView memory shown, address client, IHearthTypes.BatchLeaf[] calldata around) private pure {
        if (around.length == 0 || around.length > 2) revert HearthJudge_NoConflict();
        IHearthTypes.BatchLeaf calldata first = around[0];
        IHearthTypes.BatchLeaf calldata last = around[around.length - 1];
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
    function _included(IHearthTypes.RoundView memory shown, IHearthTypes.BatchLeaf calldata leaf) private pure returns (bytes32 hash) {
        hash = Leaves.structHash(leaf.commitment);
        if (!Leaves.isBatched(shown.batchRoot, leaf, hash)) revert HearthJudge_NotInBatch(leaf.index);
    }

    /// @dev The server whose batch it is: the one that opened the round.
    function _batcher(uint256 task, uint64 round, address server)
        private
        view
        returns (IHearthTypes.RoundView memory shown)
    {
        shown = _ledger().roundOf(task, round);
        if (_listed(task, server, IHearthTypes.Role.EdgeServer) != shown.server) revert HearthJudge_NotAccused(server);
    }

    function _listed(uint256 task, address party, IHearthTypes.Role role) private view returns (uint8 index) {
        IHearthTypes.BondView memory bond = _ledger().bondOf(task, party);
        if (bond.role != role) revert HearthJudge_NotAccused(party);
        return bond.index;
    }

    function _signed(bytes32 structHash, address party, bytes calldata signature) private view {
        if (!_isBy(structHash, party, signature)) revert HearthJudge_SignatureInvalid(party);
    }

    function _isBy(bytes32 structHash, address party, bytes calldata signature) private view returns (bool) {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", _ledger().domainSeparator(), structHash));
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, signature);
        return problem == ECDSA.RecoverError.NoError && signer == party;
    }

    /// @dev Whose books count: those of the ledger that asks.
    function _ledger() private view returns (IHearthLedger) {
        return IHearthLedger(msg.sender);
    }
}
