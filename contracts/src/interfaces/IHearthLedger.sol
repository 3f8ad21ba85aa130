// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The chain's part of Hearth: escrow, enrolment, commitments, key requests, publication, rewards
/// @notice Per-round work is constant, whatever the number of clients. Digests are content digests (SHA-256, the digest
/// of the object's CID) unless said otherwise. Instants are block timestamps in seconds; amounts are wei.
interface IHearthLedger {
    /// @dev The table is docs/protocol.md section 3 and protocol/round_state.py.
    enum RoundState {
        None,
        Open,
        Requested,
        Published,
        Abandoned,
        Expired
    }

    struct TaskTerms {
        bytes32 spec;
        address edgeServer;
        address[] authorities;
        uint8 threshold;
        uint8 initialReputation;
        uint32 rounds;
        uint32 minClients;
        uint32 maxClients;
        uint32 enrolmentSeconds;
        uint32 commitSeconds;
        uint32 settleSeconds;
        uint32 taskSeconds;
        uint32 claimSeconds;
        uint128 updateReward;
    }

    struct TaskView {
        bytes32 spec;
        address manufacturer;
        address edgeServer;
        uint32 rounds;
        uint32 minClients;
        uint32 maxClients;
        uint32 enrolled;
        uint32 lastRound;
        uint48 enrolUntil;
        uint48 taskUntil;
        uint48 claimUntil;
        uint128 updateReward;
        uint128 escrow;
        uint128 allocated;
        uint128 claimed;
        bytes32 allocationRoot;
    }

    struct RoundView {
        RoundState state;
        bytes32 label;
        bytes32 batchRoot;
        bytes32 request;
        uint32 cohort;
        uint32 batched;
        uint32 direct;
        uint48 commitUntil;
        uint48 settleUntil;
    }

    struct EnrolmentView {
        bytes32 envelope;
        uint8 reputation;
        bool left;
    }

    struct Enrolment {
        uint256 task;
        address client;
        bytes32 envelope;
    }

    struct Commitment {
        uint256 task;
        uint64 round;
        address client;
        bytes32 label;
        bytes16 nonce;
        bytes32 ciphertext;
    }

    struct Publication {
        bytes32 model;
        bytes32 record;
        bytes32 allocationRoot;
        uint128 allocated;
        uint32 correct;
        uint32 examples;
    }

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
        uint256 indexed task, address indexed client, uint128 amount, uint128 cumulative, uint8 reputation
    );
    event Refunded(uint256 indexed task, address indexed manufacturer, uint128 amount);

    error HearthLedger_TaskUnknown(uint256 task);
    error HearthLedger_TermsInvalid(string reason);
    error HearthLedger_EscrowWrong(uint256 sent, uint256 required);
    error HearthLedger_NotEdgeServer(address sender, address edgeServer);
    error HearthLedger_EnrolmentClosed(uint256 task);
    error HearthLedger_EnrolmentOpen(uint256 task, uint48 enrolUntil);
    error HearthLedger_AlreadyEnrolled(uint256 task, address client);
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

    /// @notice Posts a task. `msg.value` must be exactly rounds * maxClients * updateReward. Returns its number, from 1.
    function postTask(TaskTerms calldata terms) external payable returns (uint256 task);

    /// @notice Enrols clients by their EIP-712 signatures; anyone may relay. Until enrolUntil or maxClients.
    function enrol(Enrolment[] calldata enrolments, bytes[] calldata signatures) external;

    /// @notice The client leaves: no later round may plan it. EIP-712 `Leave`; anyone may relay.
    function leave(uint256 task, address client, bytes calldata signature) external;

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

    /// @notice Edge server only, Requested, until settleUntil. `allocated` is cumulative over the task and may grow by at
    /// most cohort * updateReward per round.
    function publishRound(uint256 task, uint64 round, Publication calldata publication) external;

    /// @notice Edge server only, until settleUntil: Open after commitUntil, or Requested. Pays those who delivered.
    function abandonRound(uint256 task, uint64 round, bytes32 record, bytes32 allocationRoot, uint128 allocated)
        external;

    /// @notice Anyone, after settleUntil: a round that its edge server did not finish ends without payment.
    function expireRound(uint256 task, uint64 round) external;

    /// @notice Anyone may send it; pays only the leaf's client, who must be enrolled, the part of `cumulative` not yet
    /// paid. Until claimUntil.
    function claim(
        uint256 task,
        uint256 index,
        address client,
        uint128 cumulative,
        uint8 reputation,
        bytes32[] calldata proof
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
    function claimedOf(uint256 task, address client) external view returns (uint128);
    /// @notice Last settled reputation of an address, and whether it has one at all.
    function reputationOf(address client) external view returns (uint8 reputation, bool known);
    function domainSeparator() external view returns (bytes32);
}
