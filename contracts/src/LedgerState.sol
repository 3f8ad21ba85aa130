// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IHearthLedger} from "./interfaces/IHearthLedger.sol";

/// @title What the ledger keeps: its books, the views of them, and the checks that most functions begin with
abstract contract LedgerState is IHearthLedger, EIP712 {
    struct Task {
        TaskView shown;
        uint32 commitSeconds;
        uint32 settleSeconds;
        uint8 initialReputation;
    }

    struct Standing {
        uint8 reputation;
        bool known;
    }

    uint256 internal _tasks;
    mapping(uint256 task => Task) internal _task;
    mapping(uint256 task => mapping(uint64 round => RoundView)) internal _round;
    mapping(uint256 task => mapping(address client => EnrolmentView)) internal _enrolment;
    mapping(uint256 task => mapping(uint64 round => mapping(address client => bool))) internal _committed;
    mapping(uint256 task => mapping(address client => uint128)) internal _claimed;
    mapping(address client => Standing) internal _standing;

    constructor() EIP712("Hearth", "1") {}

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
    function claimedOf(uint256 task, address client) external view returns (uint128) {
        return _claimed[task][client];
    }

    /// @inheritdoc IHearthLedger
    function reputationOf(address client) external view returns (uint8 reputation, bool isKnown) {
        Standing storage standing = _standing[client];
        return (standing.reputation, standing.known);
    }

    /// @inheritdoc IHearthLedger
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _ofEdgeServer(uint256 task) internal view returns (TaskView storage shown) {
        shown = _task[task].shown;
        if (msg.sender != shown.edgeServer) revert HearthLedger_NotEdgeServer(msg.sender, shown.edgeServer);
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
}
