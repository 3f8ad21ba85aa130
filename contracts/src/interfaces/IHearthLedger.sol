// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthTasks} from "./IHearthTasks.sol";

/// @title The chain's part of Hearth: escrow, enrolment, commitments, key requests, publication, rewards
/// @notice Per-round work is constant, whatever the number of clients. Digests are content digests (SHA-256, the digest
/// of the object's CID) unless said otherwise. Instants are block timestamps in seconds; amounts are wei, or the
/// smallest units of the task's token.
interface IHearthLedger is IHearthTasks {
    /// @dev "Edge server" is the acting one, at first the first of the list. From takeoverSeconds after the round's
    /// commitUntil (or, while none runs, after the deadline of rosters) any other of the
    /// list becomes the acting one by its call.

    /// @notice Edge server only, where maxCohort is below maxClients and the next round could be opened: its cohort is drawn by
    /// the hash of the block that comes. The round is opened within 256 blocks after it; else this call ends that draw,
    /// which costs the task one of its rounds, and the next call starts another one.
    function drawCohort(uint256 task) external;

    /// @notice Edge server only; the previous round is final, enrolUntil has passed, the task has not ended. The first round
    /// of a window waits until every authority has posted its roster, or their deadline has passed.
    /// @param plan content digest of the RoundPlan; @param label its hash, under which the cohort encrypts.
    /// @param cohortRoot of the sum tree (CohortTree) over the `cohort` planned clients.
    function openRound(
        uint256 task,
        uint64 round,
        bytes32 plan,
        bytes32 label,
        bytes32 cohortRoot,
        uint32 cohort
    ) external;

    /// @notice Edge server only, once per round: not before 2 * trainingSeconds after the opening, when every phone has
    /// sent, nor in the last objectionSeconds before commitUntil. `batch` is the CommitmentBatch's content digest.
    function commitBatch(uint256 task, uint64 round, bytes32 root, bytes32 batch, uint32 count) external;

    /// @notice The way round a censoring edge server, until commitUntil while neither a screening nor a key was requested: any sender, one
    /// commitment signed by a client whose `place` in the cohort is proven.
    function commitDirect(Commitment calldata commitment, bytes calldata signature, CohortPlace calldata place)
        external;

    /// @notice Edge server only, once per round and as soon as a key could be requested: fixes the one request of screening
    /// that authorities will answer, and the block whose hash draws its sketch, one of the last 256. `direct` are the
    /// round's direct commitments: the request names them all, so one that came meanwhile refuses this call. Nobody commits after it, for whoever knows the
    /// sketch could choose what it does not show.
    function requestScreening(uint256 task, uint64 round, uint256 beaconBlock, uint32 direct, bytes32 request) external;

    /// @notice Edge server only: fixes the one key request that authorities will answer. Before commitUntil only when
    /// batched + direct commitments reach the cohort and the batch's time for objections is over, so that nobody is
    /// raced out of a round.
    function requestKey(uint256 task, uint64 round, bytes32 request) external;

    /// @notice Edge server only, Requested, until settleUntil, and not before the payout of the round settled before can
    /// no longer be disputed. `allocated` is cumulative over the task and may grow by at most cohort * (participation +
    /// contribution) and the fees of the round's servers. Its root can be claimed from disputeSeconds later on.
    function publishRound(uint256 task, uint64 round, Publication calldata publication) external;

    /// @notice Edge server only, Open, after commitUntil, until settleUntil: no key was requested, so nothing was opened.
    /// `allocated` may grow by at most cohort * participation.
    function abandonRound(uint256 task, uint64 round, bytes32 record, bytes32 allocationRoot, uint128 allocated)
        external;

    /// @notice Anyone, after settleUntil: a round that its edge server did not finish ends without a tree. Without a key
    /// request the server in charge loses its role, and of its bond what the round's clients are owed.
    function expireRound(uint256 task, uint64 round) external;

    /// @notice Anyone may send it; pays only the leaf's client, who must be enrolled or in the lists of the terms, the part of `cumulative` not yet
    /// paid, and settles its reputation. Until claimUntil. The leaf that is the client's last (the task has ended, or it
    /// left and that round is final) frees it for another task, also when nothing is to be paid.
    function claim(uint256 task, Entitlement calldata leaf, bytes32[] calldata proof) external;

    /// @notice Many leaves with one multiproof, in descending order of their index; those with nothing to do are
    /// skipped, so that nobody spoils a batch by claiming one of them first.
    function claimMany(
        uint256 task,
        Entitlement[] calldata leaves,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external;

    function taskCount() external view returns (uint256);
    function taskOf(uint256 task) external view returns (TaskView memory);
    function roundOf(uint256 task, uint64 round) external view returns (RoundView memory);
    function enrolmentOf(uint256 task, address client) external view returns (EnrolmentView memory);
    function hasCommittedDirectly(uint256 task, uint64 round, address client) external view returns (bool);
    function isCompensated(uint256 task, uint64 round, address client) external view returns (bool);
    /// @notice The key that signs for a client of the task: zero when it is the client's own.
    function signerOf(uint256 task, address client) external view returns (address);
    function bondOf(uint256 task, address holder) external view returns (BondView memory);
    /// @notice What the task owes to an address that could not be paid; see withdraw.
    function creditOf(uint256 task, address holder) external view returns (uint128);
    /// @notice Last settled reputation of an address, and the task whose last leaf must be applied before the next.
    function standingOf(address client) external view returns (Standing memory);
    function rules() external view returns (LedgerRules memory);
    function domainSeparator() external view returns (bytes32);
}
