// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {IHearthEvents} from "./interfaces/IHearthEvents.sol";

/// @title What the ledger keeps, and what both parts of its code ask of it
/// @dev Every variable in storage is declared here, or in the two bases: so HearthLedger and HearthTasks, whose code runs
/// on one storage, agree about it.
abstract contract LedgerState is IHearthEvents, EIP712, ReentrancyGuard {
    struct Task {
        TaskView shown;
        uint32 commitSeconds;
        uint32 trainingSeconds;
        uint32 objectionSeconds;
        uint32 settleSeconds;
        uint32 disputeSeconds;
        uint32 takeoverSeconds;
        uint32 rosterRounds;
        uint32 rosterSeconds;
        uint8 servers; // that have their role still
        uint8 authorities; // likewise
        uint8 threshold;
        uint8 bonded; // authorities that placed their bond and have it still
        uint8 rosters; // posted for the window that comes
        uint8 initialReputation;
        uint8 minReputation;
        bool sourcesListed;
        bool voucherNeeded;
        uint128 edgeBond;
        uint128 authorityBond;
        uint128 stake;
        uint128 roundFees; // of a published round's servers together
        bytes32 voucherKey; // where one is needed
    }

    uint8 internal immutable _maximum;
    uint8 internal immutable _floor;
    uint32 internal immutable _waitingSeconds;
    uint32 internal immutable _claimSeconds;
    uint256 internal _tasks;
    mapping(uint256 task => Task) internal _task;
    mapping(uint256 task => mapping(uint64 round => RoundView)) internal _round;
    mapping(uint256 task => mapping(address client => EnrolmentView)) internal _enrolment;
    mapping(uint256 task => mapping(uint64 round => mapping(address client => bool))) internal _committed;
    mapping(address client => Standing) internal _standing;
    mapping(uint256 task => mapping(address holder => BondView)) internal _bond;
    mapping(uint256 task => mapping(address manufacturer => bool)) internal _source;
    mapping(uint256 task => mapping(address holder => uint128)) internal _credits;
    mapping(uint256 task => mapping(uint64 round => mapping(address client => bool))) internal _compensated;
    mapping(uint256 task => mapping(address client => address)) internal _signer;
    mapping(bytes32 key => bool) internal _voucherKeyUsed;

    /// @dev The subject of an event that is about the whole task.
    uint256 internal constant _EVERYONE = 0;

    constructor(LedgerRules memory rules_) EIP712("Hearth", "3") {
        if (rules_.floor > rules_.maximum) revert HearthLedger_TermsInvalid("floor");
        if (rules_.waitingSeconds == 0) revert HearthLedger_TermsInvalid("waitingSeconds");
        (_maximum, _floor) = (rules_.maximum, rules_.floor);
        (_waitingSeconds, _claimSeconds) = (rules_.waitingSeconds, rules_.claimSeconds);
    }

    modifier known(uint256 task) {
        if (task == 0 || task > _tasks) revert HearthLedger_TaskUnknown(task);
        _;
    }

    /// @dev Says an event of a task, of two or three indexed members, and takes it into the task's word. Nothing else here
    /// says anything. `data` are the members that are not indexed, ABI-encoded.
    function _log(uint256 task, bytes32 kind, uint256 subject, bytes memory data) internal {
        assembly ("memory-safe") {
            log3(add(data, 0x20), mload(data), kind, task, subject)
        }
        _keepWord(task, keccak256(abi.encode(kind, task, subject, keccak256(data))));
    }

    function _log(uint256 task, bytes32 kind, uint256 subject, uint256 object, bytes memory data) internal {
        assembly ("memory-safe") {
            log4(add(data, 0x20), mload(data), kind, task, subject, object)
        }
        _keepWord(task, keccak256(abi.encode(kind, task, subject, object, keccak256(data))));
    }

    function _keepWord(uint256 task, bytes32 said) private {
        TaskView storage shown = _task[task].shown;
        shown.word = keccak256(abi.encode(shown.word, block.timestamp, said));
    }

    function _open(uint256 task, uint64 round) internal view returns (RoundView storage current) {
        current = _round[task][round];
        if (current.state != RoundState.Open) revert HearthLedger_RoundUnexpected(task, round, current.state);
    }

    /// @dev By the key that the client's enrolment named.
    function _verify(uint256 task, bytes32 structHash, address client, bytes calldata signature) internal view {
        address named = _signer[task][client];
        if (!_isSigned(structHash, named == address(0) ? client : named, signature)) {
            revert HearthLedger_SignatureInvalid(client);
        }
    }

    function _isSigned(bytes32 structHash, address signer, bytes calldata signature) internal view returns (bool) {
        (address found, ECDSA.RecoverError problem,) = ECDSA.tryRecover(_hashTypedDataV4(structHash), signature);
        return problem == ECDSA.RecoverError.NoError && found == signer;
    }

    /// @dev The last instant at which a roster for the window of the next round counts.
    function _rosterUntil(uint256 task) internal view returns (uint48) {
        TaskView storage shown = _task[task].shown;
        uint48 since = shown.lastRound == 0 ? shown.enrolUntil : _round[task][shown.lastRound].settleUntil;
        return since + _task[task].rosterSeconds;
    }

    function _running(RoundState state) internal pure returns (bool) {
        return state == RoundState.Open || state == RoundState.Requested;
    }

    /// @dev No round will be opened any more and none is running.
    function _ended(uint256 task, TaskView storage shown) internal view returns (bool) {
        return _over(shown) && !_running(_round[task][shown.lastRound].state);
    }

    function _over(TaskView storage shown) internal view returns (bool) {
        bool tooFew = block.timestamp > shown.enrolUntil && shown.enrolled < shown.minClients;
        return shown.lastRound == shown.rounds || shown.stopped || block.timestamp > shown.taskUntil || tooFew;
    }

    /// @dev What whoever committed in a round is owed together while its sum is not published. A batch counts as the whole
    /// cohort: how many of its leaves can be proven is not known.
    function _owed(TaskView storage shown, RoundView storage current) internal view returns (uint128) {
        uint128 committed = current.batched != 0 ? current.cohort : current.direct;
        return committed * _compensation(shown, current);
    }

    /// @dev Of one client. Who requested a key may have opened the sum, so it costs the whole reward.
    function _compensation(TaskView storage shown, RoundView storage current) internal view returns (uint128) {
        return current.request == 0 ? shown.participation : shown.participation + shown.contribution;
    }

    /// @dev Ends a role for good. A task stops for which too few are left.
    function _dismiss(uint256 task, BondView storage bond) internal {
        Task storage posted = _task[task];
        if (bond.role == Role.EdgeServer) {
            if (--posted.servers == 0) posted.shown.stopped = true;
        } else {
            if (--posted.authorities < posted.threshold) posted.shown.stopped = true;
            if (bond.placed) --posted.bonded;
        }
        bond.role = Role.None;
    }

    /// @dev The tree that claims are paid from now, and how much of it the contract vouches for.
    function _payable(TaskView storage shown) internal view returns (bytes32 root, uint128 allocated) {
        bool standing = shown.pendingRound == 0 || block.timestamp < shown.payableFrom;
        return standing
            ? (shown.allocationRoot, shown.allocated)
            : (shown.pendingRoot, shown.pendingAllocated);
    }

    /// @dev Whether no round that concerns this client runs, may still be disputed or is to come: what it is owed, and its
    /// reputation, cannot change any more.
    function _isFinal(uint256 task, EnrolmentView storage enrolment) internal view returns (bool) {
        TaskView storage shown = _task[task].shown;
        if (!enrolment.left && !_over(shown)) return false;
        uint32 last = shown.lastRound;
        uint32 through = enrolment.left ? enrolment.leftRound : last;
        if (through == last && _running(_round[task][last].state)) return false;
        return block.timestamp >= shown.payableFrom || through < shown.pendingRound;
    }

    /// @dev Until the claim period is over; who left before the first round, or whose task ended without any tree, has no
    /// leaf to apply.
    function _owesLeaf(uint256 task, address client) internal view returns (bool) {
        TaskView storage shown = _task[task].shown;
        if (block.timestamp > shown.claimUntil) return false;
        EnrolmentView storage enrolment = _enrolment[task][client];
        if (enrolment.left && enrolment.leftRound == 0) return false;
        (bytes32 root,) = _payable(shown);
        return root != 0 || !_isFinal(task, enrolment);
    }
}
