// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {HearthJudge} from "./HearthJudge.sol";
import {IHearthLedger} from "./interfaces/IHearthLedger.sol";

/// @title What the ledger keeps: its books, the views of them, and the checks that most functions begin with
abstract contract LedgerState is IHearthLedger, EIP712 {
    struct Task {
        TaskView shown;
        uint32 commitSeconds;
        uint32 settleSeconds;
        uint32 disputeSeconds;
        uint32 takeoverSeconds;
        uint8 initialReputation;
        uint8 minReputation;
        uint8 authoritiesMissing;
        uint128 edgeBond;
        uint128 authorityBond;
        uint128 stake;
    }

    uint8 internal immutable _maximum;
    uint8 internal immutable _floor;
    uint32 internal immutable _waitingSeconds;
    address internal immutable _judge;
    uint256 internal _tasks;
    mapping(uint256 task => Task) internal _task;
    mapping(uint256 task => mapping(uint64 round => RoundView)) internal _round;
    mapping(uint256 task => mapping(address client => EnrolmentView)) internal _enrolment;
    mapping(uint256 task => mapping(uint64 round => mapping(address client => bool))) internal _committed;
    mapping(address client => Standing) internal _standing;

    mapping(uint256 task => mapping(address holder => BondView)) internal _bond;

    constructor(ReputationRules memory rules) EIP712("Hearth", "2") {
        if (rules.floor > rules.maximum || rules.waitingSeconds == 0) revert HearthLedger_TermsInvalid("rules");
        (_maximum, _floor, _waitingSeconds) = (rules.maximum, rules.floor, rules.waitingSeconds);
        _judge = address(new HearthJudge());
    }

    modifier known(uint256 task) {
        if (task == 0 || task > _tasks) revert HearthLedger_TaskUnknown(task);
        _;
    }

    /// @inheritdoc IHearthLedger
    function taskCount() external view returns (uint256) {
        return _tasks;
    }

    /// @inheritdoc IHearthLedger
    function taskOf(uint256 task) external view known(task) returns (TaskView memory) {
        return _task[task].shown;
    }

    /// @inheritdoc IHearthLedger
    function roundOf(uint256 task, uint64 round) external view known(task) returns (RoundView memory) {
        return _round[task][round];
    }

    /// @inheritdoc IHearthLedger
    function enrolmentOf(uint256 task, address client) external view known(task) returns (EnrolmentView memory) {
        return _enrolment[task][client];
    }

    /// @inheritdoc IHearthLedger
    function hasCommittedDirectly(uint256 task, uint64 round, address client) external view returns (bool) {
        return _committed[task][round][client];
    }

    /// @inheritdoc IHearthLedger
    function bondOf(uint256 task, address holder) external view returns (BondView memory) {
        return _bond[task][holder];
    }

    /// @inheritdoc IHearthLedger
    function standingOf(address client) external view returns (Standing memory) {
        return _standing[client];
    }

    /// @inheritdoc IHearthLedger
    function reputationRules() external view returns (ReputationRules memory) {
        return ReputationRules(_maximum, _floor, _waitingSeconds);
    }

    /// @inheritdoc IHearthLedger
    function judge() external view returns (address) {
        return _judge;
    }

    /// @inheritdoc IHearthLedger
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _open(uint256 task, uint64 round) internal view returns (RoundView storage current) {
        current = _round[task][round];
        if (current.state != RoundState.Open) revert HearthLedger_RoundUnexpected(task, round, current.state);
    }

    function _verify(bytes32 structHash, address client, bytes calldata signature) internal view {
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(_hashTypedDataV4(structHash), signature);
        if (problem != ECDSA.RecoverError.NoError || signer != client) revert HearthLedger_SignatureInvalid(client);
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
        return shown.lastRound == shown.rounds || block.timestamp > shown.taskUntil || tooFew;
    }

    /// @dev The tree that claims are paid from now, and how much of it the contract vouches for.
    function _payable(TaskView storage shown) internal view returns (bytes32 root, uint128 allocated) {
        bool standing = shown.pendingRound == 0 || block.timestamp < shown.payableFrom;
        return standing
            ? (shown.allocationRoot, shown.allocated)
            : (shown.pendingRoot, shown.pendingAllocated);
    }

    /// @dev Whether no later round can change what this client is owed, or its reputation.
    function _isFinal(uint256 task, EnrolmentView storage enrolment) internal view returns (bool) {
        TaskView storage shown = _task[task].shown;
        if (!enrolment.left && !_over(shown)) return false;
        uint32 last = shown.lastRound;
        uint32 through = _running(_round[task][last].state) ? last - 1 : last;
        if (through != 0 && through == shown.pendingRound && block.timestamp < shown.payableFrom) --through;
        return enrolment.left ? enrolment.leftRound <= through : through == last;
    }
}
