// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthTypes} from "./IHearthTypes.sol";

/// @title The chain's part of Hearth: escrow, enrolment, commitments, key requests, publication, rewards
/// @notice Per-round work is constant, whatever the number of clients. Digests are content digests (SHA-256, the digest
/// of the object's CID) unless said otherwise. Instants are block timestamps in seconds; amounts are wei, or the
/// smallest units of the task's token.
interface IHearthLedger is IHearthTypes {
    event TaskPosted(
        uint256 indexed task,
        address indexed manufacturer,
        TaskTerms terms,
        uint128 escrow,
        uint48 enrolUntil,
        uint48 taskUntil,
        uint48 claimUntil
    );
    event Enrolled(
        uint256 indexed task, address indexed client, bytes32 envelope, uint8 reputation, bytes signature
    );
    event Left(uint256 indexed task, address indexed client, bytes signature);
    event RoundOpened(
        uint256 indexed task,
        uint64 indexed round,
        bytes32 plan,
        bytes32 label,
        uint32 cohort,
        uint48 commitUntil,
        uint48 settleUntil
    );
    event BatchCommitted(uint256 indexed task, uint64 indexed round, bytes32 root, bytes32 batch, uint32 count);
    event DirectCommitted(
        uint256 indexed task,
        uint64 indexed round,
        address indexed client,
        bytes32 label,
        bytes16 nonce,
        bytes32 ciphertext,
        bytes signature
    );
    event KeyRequested(uint256 indexed task, uint64 indexed round, bytes32 request);
    event RoundPublished(uint256 indexed task, uint64 indexed round, Publication publication);
    event RoundAbandoned(
        uint256 indexed task, uint64 indexed round, bytes32 record, bytes32 allocationRoot, uint128 allocated
    );
    event RoundExpired(uint256 indexed task, uint64 indexed round);
    event Claimed(
        uint256 indexed task,
        address indexed client,
        uint128 amount,
        uint128 cumulative,
        uint8 reputation,
        bool freed
    );
    event StakeReturned(uint256 indexed task, address indexed client, uint128 amount);
    event BondPlaced(uint256 indexed task, address indexed holder, uint128 amount);
    event BondReturned(uint256 indexed task, address indexed holder, uint128 amount);
    event RoundFrozen(uint256 indexed task, uint64 indexed round, address indexed culprit);
    event BondForfeited(uint256 indexed task, address indexed holder, address indexed reporter, uint128 amount);
    event TakenOver(uint256 indexed task, address indexed edgeServer);
    event Refunded(uint256 indexed task, address indexed manufacturer, uint128 amount);

    error HearthLedger_TaskUnknown(uint256 task);
    error HearthLedger_TermsInvalid(string reason);
    error HearthLedger_EscrowWrong(uint256 sent, uint256 required);
    error HearthLedger_NotEdgeServer(address sender, address edgeServer);
    error HearthLedger_BondMissing(uint256 task, address holder);
    error HearthLedger_BondUnexpected(uint256 task, address holder);
    error HearthLedger_EnrolmentClosed(uint256 task);
    error HearthLedger_EnrolmentOpen(uint256 task, uint48 enrolUntil);
    error HearthLedger_AlreadyEnrolled(uint256 task, address client);
    error HearthLedger_ReputationPending(address client, uint256 task);
    error HearthLedger_ReputationWrong(address client, uint8 reputation, uint8 low, uint8 high);
    error HearthLedger_NotEnrolled(uint256 task, address client);
    error HearthLedger_SignatureInvalid(address client);
    error HearthLedger_RoundUnexpected(uint256 task, uint64 round, RoundState state);
    error HearthLedger_CohortWrong(uint32 cohort, uint32 low, uint32 high);
    error HearthLedger_TooLate(uint48 deadline);
    error HearthLedger_TooEarly(uint48 deadline);
    error HearthLedger_LabelWrong(bytes32 label, bytes32 expected);
    error HearthLedger_AlreadyCommitted(uint256 task, uint64 round, address client);
    error HearthLedger_DigestZero();
    error HearthLedger_AllocationWrong(uint128 allocated, uint128 low, uint128 high);
    error HearthLedger_ProofInvalid(uint256 task, address client);
    error HearthLedger_NothingToPay(uint256 task, address payee);
    error HearthLedger_PaymentFailed(address payee, uint256 amount);

    /// @notice Posts a task; returns its number, from 1. Its escrow of exactly rounds * maxClients * updateReward comes as
    /// `msg.value`, or in an ERC-20 `token` that the sender has approved: then what arrives is measured.
    function postTask(TaskTerms calldata terms) external payable returns (uint256 task);

    /// @notice Enrols clients by their EIP-712 signatures; anyone may relay. Until enrolUntil or maxClients. An address
    /// works for one task at a time: it enrols again once its final leaf of the last one is applied (see claim), or that
    /// task's claim period is over. Known addresses need minReputation, fresh ones start at initialReputation.
    /// Where the terms ask for a stake, the sender brings one for each; the client gets it back with its last claim.
    function enrol(Enrolment[] calldata enrolments, bytes[] calldata signatures) external payable;

    /// @notice Places the bond of an edge server or authority of the task; anyone may pay it, once. Without its bond an
    /// edge server cannot act, and without those of `threshold` authorities no round opens.
    function placeBond(uint256 task, address holder) external payable;

    /// @notice Anyone: returns a bond to its holder once the task has ended and no payout can be disputed any more.
    function returnBond(uint256 task, address holder) external;

    /// @notice Anyone: `proof` is an encoded call of IHearthJudge. From a round's opening until its payout can be claimed, a
    /// breach freezes the round: it pays nobody and its tree is void, the one before stands. It ends the culprit's role
    /// in the task; half of its bond (rounded down) goes to the sender, the rest into the escrow.
    function dispute(bytes calldata proof) external;

    /// @notice Anyone: returns the stake of a client without a last claim: it has no leaf, or claimUntil has passed.
    function returnStake(uint256 task, address client) external;

    /// @notice The client leaves: no later round may plan it. EIP-712 `Leave`; anyone may relay.
    function leave(uint256 task, address client, bytes calldata signature) external;

    /// @dev "Edge server" is the one in charge, at first the first of the list. From takeoverSeconds after the round's
    /// commitUntil (or, while none runs, after the last round's settleUntil, or after enrolUntil) any other of the
    /// list is in charge as soon as it acts.

    /// @notice Edge server only; the previous round is final, enrolment is over, the task has not ended.
    /// @param plan content digest of the RoundPlan; @param label its hash, under which the cohort encrypts.
    function openRound(uint256 task, uint64 round, bytes32 plan, bytes32 label, uint32 cohort) external;

    /// @notice Edge server only, once per round, until commitUntil. `batch` is the CommitmentBatch's content digest.
    function commitBatch(uint256 task, uint64 round, bytes32 root, bytes32 batch, uint32 count) external;

    /// @notice The way round a censoring edge server: any sender, one commitment signed by an enrolled client.
    function commitDirect(Commitment calldata commitment, bytes calldata signature) external;

    /// @notice Edge server only: fixes the one key request that authorities will answer. Before commitUntil only when
    /// batched + direct commitments reach the cohort, so that nobody is raced out of a round.
    function requestKey(uint256 task, uint64 round, bytes32 request) external;

    /// @notice Edge server only, Requested, until settleUntil, and not before the payout of the round settled before can
    /// no longer be disputed. `allocated` is cumulative over the task and may grow by at most cohort * updateReward per
    /// round. Its root can be claimed from disputeSeconds later on.
    function publishRound(uint256 task, uint64 round, Publication calldata publication) external;

    /// @notice Edge server only, until settleUntil: Open after commitUntil, or Requested. Pays those who delivered.
    function abandonRound(uint256 task, uint64 round, bytes32 record, bytes32 allocationRoot, uint128 allocated)
        external;

    /// @notice Anyone, after settleUntil: a round that its edge server did not finish ends without payment.
    function expireRound(uint256 task, uint64 round) external;

    /// @notice Anyone may send it; pays only the leaf's client, who must be enrolled, the part of `cumulative` not yet
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

    /// @notice Anyone may send it; pays the manufacturer what no client can claim any more: the unallocated rest once the
    /// task has ended (last round final, or taskUntil passed with no round open, or too few clients enrolled), everything
    /// after claimUntil.
    function refund(uint256 task) external;

    function taskCount() external view returns (uint256);
    function taskOf(uint256 task) external view returns (TaskView memory);
    function roundOf(uint256 task, uint64 round) external view returns (RoundView memory);
    function enrolmentOf(uint256 task, address client) external view returns (EnrolmentView memory);
    function hasCommittedDirectly(uint256 task, uint64 round, address client) external view returns (bool);
    function bondOf(uint256 task, address holder) external view returns (BondView memory);
    /// @notice Last settled reputation of an address, and the task whose last leaf must be applied before the next.
    function standingOf(address client) external view returns (Standing memory);
    function reputationRules() external view returns (ReputationRules memory);
    function judge() external view returns (address);
    function domainSeparator() external view returns (bytes32);
}
