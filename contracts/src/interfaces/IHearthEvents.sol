// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthTypes} from "./IHearthTypes.sol";

/// @title What the ledger records, and why it refuses
/// @dev Whoever follows one client asks for its events by topic, in one query: the second indexed member of an event about
/// a client is the client, and of one about the whole task zero (`everyone`).
interface IHearthEvents is IHearthTypes {
    event TaskPosted(
        uint256 indexed task,
        address indexed everyone,
        address indexed manufacturer,
        TaskTerms terms,
        uint128 escrow,
        uint48 enrolUntil,
        uint48 taskUntil,
        uint48 claimUntil
    );
    event Enrolled(
        uint256 indexed task,
        address indexed client,
        bytes32 envelope,
        uint8 reputation,
        address signer,
        uint48 deadline,
        bytes signature
    );
    /// @dev Before the Enrolled that it belongs to.
    event VoucherShown(uint256 indexed task, address indexed client, bytes voucher);
    event EnrolmentFull(uint256 indexed task, address indexed everyone, uint32 indexed enrolled, uint48 enrolUntil);
    event RosterPosted(
        uint256 indexed task, address indexed authority, uint32 indexed window, bytes held, bytes refused
    );
    event CohortDrawn(uint256 indexed task, address indexed everyone, uint64 indexed round, uint48 drawnAt);
    event DrawLapsed(uint256 indexed task, address indexed everyone, uint64 indexed round);
    event Left(uint256 indexed task, address indexed client, bytes signature);
    event RoundOpened(
        uint256 indexed task,
        address indexed everyone,
        uint64 indexed round,
        bytes32 plan,
        bytes32 label,
        bytes32 cohortRoot,
        uint32 cohort,
        bytes32 beacon,
        uint48 commitUntil,
        uint48 settleUntil
    );
    event BatchCommitted(
        uint256 indexed task, address indexed everyone, uint64 indexed round, bytes32 root, bytes32 batch, uint32 count, uint48 objectUntil
    );
    event DirectCommitted(
        uint256 indexed task,
        address indexed client,
        uint64 indexed round,
        bytes32 label,
        bytes16 nonce,
        bytes32 ciphertext,
        bytes signature
    );
    event ScreeningRequested(
        uint256 indexed task, address indexed everyone, uint64 indexed round, uint256 beaconBlock, bytes32 beaconHash, bytes32 request
    );
    event KeyRequested(uint256 indexed task, address indexed everyone, uint64 indexed round, bytes32 request);
    event RoundPublished(uint256 indexed task, address indexed everyone, uint64 indexed round, Publication publication);
    event RoundAbandoned(
        uint256 indexed task, address indexed everyone, uint64 indexed round, bytes32 record, bytes32 allocationRoot, uint128 allocated
    );
    event RoundExpired(uint256 indexed task, address indexed everyone, uint64 indexed round);
    event Compensated(uint256 indexed task, address indexed client, uint64 indexed round, uint128 amount);
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
    event RoundFrozen(uint256 indexed task, address indexed everyone, uint64 indexed round, address culprit);
    event BondForfeited(
        uint256 indexed task, address indexed everyone, address indexed holder, address reporter, uint128 amount, uint128 share
    );
    event Credited(uint256 indexed task, address indexed holder, uint128 amount);
    event Withdrawn(uint256 indexed task, address indexed holder, address indexed to, uint128 amount);
    event TakenOver(uint256 indexed task, address indexed everyone, address indexed edgeServer);
    event Refunded(uint256 indexed task, address indexed manufacturer, uint128 amount);

    error HearthLedger_TaskUnknown(uint256 task);
    error HearthLedger_TermsInvalid(string reason);
    error HearthLedger_EscrowWrong(uint256 sent, uint256 required);
    error HearthLedger_NotEdgeServer(address sender, address edgeServer);
    error HearthLedger_NotAuthority(address sender);
    error HearthLedger_RosterUnexpected(uint256 task, uint32 window, uint32 posted);
    error HearthLedger_BondMissing(uint256 task, address holder);
    error HearthLedger_BondUnexpected(uint256 task, address holder);
    error HearthLedger_VoucherKeyUsed(bytes32 key);
    error HearthLedger_VoucherInvalid(uint256 task, address client);
    error HearthLedger_EnrolmentClosed(uint256 task);
    error HearthLedger_EnrolmentOpen(uint256 task, uint48 enrolUntil);
    error HearthLedger_AlreadyEnrolled(uint256 task, address client);
    error HearthLedger_ReputationPending(address client, uint256 task);
    error HearthLedger_ReputationWrong(address client, uint8 reputation, uint8 low, uint8 high);
    error HearthLedger_NotEnrolled(uint256 task, address client);
    error HearthLedger_NotPlanned(uint256 task, address client);
    error HearthLedger_SignatureInvalid(address client);
    error HearthLedger_RoundUnexpected(uint256 task, uint64 round, RoundState state);
    error HearthLedger_CohortWrong(uint32 cohort, uint32 low, uint32 high);
    error HearthLedger_AlreadyDrawn(uint256 task, uint48 drawnAt);
    error HearthLedger_NotDrawn(uint256 task, uint48 drawnAt);
    error HearthLedger_TooLate(uint48 deadline);
    error HearthLedger_TooEarly(uint48 deadline);
    error HearthLedger_LabelWrong(bytes32 label, bytes32 expected);
    error HearthLedger_AlreadyCommitted(uint256 task, uint64 round, address client);
    error HearthLedger_AlreadyScreened(uint256 task, uint64 round);
    error HearthLedger_DirectWrong(uint32 direct, uint32 expected);
    error HearthLedger_BeaconUnknown(uint256 beaconBlock);
    error HearthLedger_DigestZero();
    error HearthLedger_AllocationWrong(uint128 allocated, uint128 low, uint128 high);
    error HearthLedger_ProofInvalid(uint256 task, address client);
    error HearthLedger_NothingToPay(uint256 task, address payee);
    error HearthLedger_NotHolder(address sender, address holder);
    error HearthLedger_GasMissing(uint256 required);
    error HearthLedger_PaymentFailed(address payee, uint256 amount);
}
