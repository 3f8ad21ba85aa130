// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The structs that go into the ledger and come out of it
interface IHearthTypes {
    /// @dev The table is docs/protocol.md section 3 and protocol/round/state_table.py.
    enum RoundState {
        None,
        Open,
        Requested,
        Published,
        Abandoned,
        Expired,
        Frozen
    }

    struct TaskTerms {
        bytes32 spec;
        address[] edgeServers;
        address[] authorities;
        uint8 threshold;
        uint8 initialReputation;
        uint32 rounds;
        uint32 minClients;
        uint32 maxClients;
        uint32 enrolmentSeconds;
        uint32 commitSeconds;
        uint32 trainingSeconds;
        uint32 objectionSeconds;
        uint32 settleSeconds;
        uint32 taskSeconds;
        uint32 claimSeconds;
        uint32 disputeSeconds;
        uint32 takeoverSeconds;
        uint8 minReputation;
        address[] reputationSources;
        address token;
        uint128 participation;
        uint128 contribution;
        uint128 edgeFee;
        uint128 authorityFee;
        uint128 edgeBond;
        uint128 authorityBond;
        uint128 stake;
        uint32 maxCohort;
        uint32 rosterRounds;
        uint32 rosterSeconds;
        bytes32 voucherKey;
    }

    /// @dev Of a deployment: no reputation is above `maximum`; a standing gains one per `waitingSeconds` at most, by
    /// itself below `floor`, by a leaf from there on. No task gives its clients less than `claimSeconds` to claim.
    struct LedgerRules {
        uint8 maximum;
        uint8 floor;
        uint32 waitingSeconds;
        uint32 claimSeconds;
    }

    /// @dev `allocated` and `allocationRoot` are those of the last settled round whose payout nobody can dispute any
    /// more; those of `pendingRound` take their place from `payableFrom` on, without a transaction. `deposits` are bonds,
    /// stakes and credits; `reserved` is what rounds that were not published still owe (see compensate). Of a task that is
    /// `stopped` too few servers or authorities are left. `drawnAt` is the block whose hash draws the next cohort. `word` stands for all
    /// events of the task: from zero, each makes it keccak256(word before, block.timestamp, said), where
    /// said is keccak256(topics, keccak256(data)) of the event's log.
    struct TaskView {
        bytes32 spec;
        address token;
        uint32 pendingRound;
        uint48 payableFrom;
        uint8 pendingServer;
        address manufacturer;
        uint32 rounds;
        uint32 minClients;
        uint32 maxClients;
        uint32 enrolled;
        uint32 lastRound;
        uint48 enrolUntil;
        uint48 taskUntil;
        uint48 claimUntil;
        uint32 maxCohort;
        bool stopped;
        uint128 escrow;
        uint128 claimed;
        uint128 allocated;
        uint128 pendingAllocated;
        bytes32 allocationRoot;
        bytes32 pendingRoot;
        uint128 participation;
        uint128 contribution;
        uint128 deposits;
        uint128 reserved;
        address edgeServer;
        uint48 drawnAt;
        bytes32 word;
    }

    /// @dev Whoever its batch leaves out commits directly until `objectUntil`, zero without a batch: no key before.
    /// `screening` is the digest of its ScreeningRequested, zero without one.
    struct RoundView {
        bytes32 label;
        bytes32 cohortRoot;
        bytes32 batchRoot;
        bytes32 request;
        RoundState state;
        uint32 cohort;
        uint32 batched;
        uint32 direct;
        uint48 commitUntil;
        uint48 settleUntil;
        uint8 server;
        uint48 objectUntil;
        bytes32 screening;
    }

    struct EnrolmentView {
        bytes32 envelope;
        uint128 claimed;
        uint32 leftRound;
        uint8 reputation;
        bool left;
        bool staked;
    }

    enum Role {
        None,
        EdgeServer,
        Authority
    }

    /// @dev Of a party that the terms list, at `index`; a breach ends its role. `amount` is what the ledger holds of it,
    /// `rosters` one more than the last window for which an authority posted.
    struct BondView {
        Role role;
        uint8 index;
        bool placed;
        uint128 amount;
        uint32 rosters;
    }

    /// @dev The address cannot enrol again while `task` is not zero, its claim period runs and it has a leaf to apply.
    /// The next waiting period runs from `since`. `source` is the task that gave the reputation; zero: none did yet.
    struct Standing {
        uint8 reputation;
        uint48 since;
        uint64 task;
        uint64 source;
    }

    struct Entitlement {
        uint256 index;
        address client;
        uint128 cumulative;
        uint8 reputation;
    }

    /// @dev What a wallet shows before it signs: `stake` in units of the task's token, held until `lockedUntil` at the
    /// latest. `signer` is the plain key that signs for `client` in this task from then on, often the client itself.
    struct Enrolment {
        uint256 task;
        bytes32 spec;
        address client;
        address signer;
        bytes32 envelope;
        uint128 stake;
        uint48 lockedUntil;
        uint48 deadline;
    }

    struct Commitment {
        uint256 task;
        uint64 round;
        address client;
        bytes32 label;
        bytes16 nonce;
        bytes32 ciphertext;
    }

    /// @dev A node of the sum tree over a cohort: its hash, and what is below it in one word (CohortTree).
    struct CohortNode {
        bytes32 node;
        uint256 totals;
    }

    /// @dev Where a planned client stands in the tree, with which weight; `siblings` from the bottom up.
    struct CohortPlace {
        uint256 index;
        uint40 weight;
        CohortNode[] siblings;
    }

    /// @dev Where a planned client stands, for a proof that another one does not.
    struct PlacedClient {
        address client;
        CohortPlace place;
    }

    /// @dev One commitment under the root of its round's batch.
    struct BatchLeaf {
        uint256 index;
        Commitment commitment;
        bytes signature;
        bytes32[] proof;
    }

    struct Publication {
        bytes32 model;
        bytes32 record;
        bytes32 allocationRoot;
        uint128 allocated;
        uint32 correct;
        uint32 examples;
    }
}
