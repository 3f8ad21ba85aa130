// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthTypes} from "./IHearthTypes.sol";

/// @title Proofs of a breach, each a view that names task, round and culprit, or reverts
/// @notice Their encoded calls are what IHearthLedger.dispute takes. Only what signatures and a batch root show.
interface IHearthJudge {
    /// @dev An edge server's word on a round's plan (its label) and, once known, its model (zero before).
    struct RoundStatement {
        uint256 task;
        uint64 round;
        bytes32 label;
        bytes32 model;
    }

    /// @dev An authority's word on its answer to a request: `residues` is the digest of its share of a key or, where it
    /// signed an Opening, which has the same members, of its answers.
    struct PartialKey {
        uint256 task;
        uint64 round;
        bytes32 label;
        bytes32 request;
        address authority;
        uint64 keyEpoch;
        bytes32 residues;
    }

    /// @dev An authority's word on which request of a kind it sees under a label on its own chain.
    struct Sighting {
        uint256 task;
        uint64 round;
        bytes32 kind;
        bytes32 label;
        bytes32 digest;
        address authority;
    }

    struct ProvenLeaf {
        IHearthTypes.Entitlement leaf;
        bytes32[] proof;
    }

    error HearthJudge_NoConflict();
    error HearthJudge_NotAccused(address party);
    error HearthJudge_NotInBatch(uint256 index);
    error HearthJudge_SignatureInvalid(address party);
    error HearthJudge_TooEarly(uint48 deadline);

    /// @notice One edge server signed two plans, or two models, for one round.
    function twoStatements(
        address server,
        RoundStatement calldata one,
        bytes calldata oneSignature,
        RoundStatement calldata other,
        bytes calldata otherSignature
    ) external view returns (uint256 task, uint64 round, address culprit);

    /// @notice One authority signed two requests, or two residues for one request, under one label.
    function twoKeys(
        PartialKey calldata one,
        bytes calldata oneSignature,
        PartialKey calldata other,
        bytes calldata otherSignature
    ) external view returns (uint256 task, uint64 round, address culprit);

    /// @notice One authority signed two answers to requests for openings under one label: Openings, not PartialKeys.
    function twoOpenings(
        PartialKey calldata one,
        bytes calldata oneSignature,
        PartialKey calldata other,
        bytes calldata otherSignature
    ) external view returns (uint256 task, uint64 round, address culprit);

    /// @notice One authority signed that it saw two requests of one kind under one label.
    function twoSightings(
        Sighting calldata one,
        bytes calldata oneSignature,
        Sighting calldata other,
        bytes calldata otherSignature
    ) external view returns (uint256 task, uint64 round, address culprit);

    /// @notice An edge server signed a receipt for a commitment whose client is not in the round's batch: no batch came
    /// in time, or `around` shows the two neighbours, or the first or last leaf, between which it would stand.
    function receiptIgnored(
        address server,
        IHearthTypes.Commitment calldata promised,
        bytes calldata receipt,
        IHearthTypes.BatchLeaf[] calldata around
    ) external view returns (uint256 task, uint64 round, address culprit);

    /// @notice A leaf of the batch is not signed by its client, not of this round, or of somebody who never enrolled.
    function badLeaf(uint256 task, uint64 round, address server, IHearthTypes.BatchLeaf calldata leaf)
        external
        view
        returns (uint256, uint64, address culprit);

    /// @notice Two leaves of the batch are not in ascending order of their clients, or of one client.
    function disorder(uint256 task, uint64 round, address server, IHearthTypes.BatchLeaf calldata low, IHearthTypes.BatchLeaf calldata high)
        external
        view
        returns (uint256, uint64, address culprit);

    /// @notice A leaf of the batch is of a client whom the round did not plan: `around` shows the two neighbours, or the
    /// first or last of the cohort, between which it would stand.
    function unplannedLeaf(
        uint256 task,
        uint64 round,
        address server,
        IHearthTypes.BatchLeaf calldata leaf,
        IHearthTypes.PlacedClient[] calldata around
    ) external view returns (uint256, uint64, address culprit);

    /// @notice The payout that waits gives a client less than the one that stands.
    function loweredLeaf(
        uint256 task,
        address server,
        ProvenLeaf calldata standing,
        ProvenLeaf calldata lowered
    ) external view returns (uint256, uint64, address culprit);

    /// @notice The leaves of the payout that waits, by descending index, promise more than what it allocates.
    function overAllocated(
        uint256 task,
        address server,
        IHearthTypes.Entitlement[] calldata leaves,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external view returns (uint256, uint64, address culprit);
}
