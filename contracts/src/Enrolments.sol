// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Deposits} from "./Deposits.sol";
import {Standings} from "./Standings.sol";
import {IHearthTasks} from "./interfaces/IHearthTasks.sol";

/// @title Who works for a task, and with what reputation it comes
abstract contract Enrolments is Deposits, Standings {
    bytes32 private constant _ENROLMENT_TYPE = keccak256("Enrolment(uint256 task,address client,bytes32 envelope)");
    bytes32 private constant _LEAVE_TYPE = keccak256("Leave(uint256 task,address client)");

    /// @inheritdoc IHearthTasks
    function enrol(Enrolment[] calldata enrolments, bytes[] calldata signatures) external payable nonReentrant {
        uint256 count = enrolments.length;
        if (count == 0 || count != signatures.length) revert HearthLedger_TermsInvalid("signatures");
        uint256 task = enrolments[0].task;
        Task storage entered = _task[task];
        _receive(entered.shown.token, count * entered.stake);
        if (entered.stake != 0) entered.shown.deposits += SafeCast.toUint128(count * entered.stake);
        for (uint256 i = 0; i < count; ++i) {
            if (enrolments[i].task != task) revert HearthLedger_TermsInvalid("task");
            _enrol(enrolments[i], signatures[i]);
        }
    }

    /// @inheritdoc IHearthTasks
    function leave(uint256 task, address client, bytes calldata signature) external known(task) {
        EnrolmentView storage enrolment = _enrolment[task][client];
        if (enrolment.envelope == 0 || enrolment.left) revert HearthLedger_NotEnrolled(task, client);
        _verify(keccak256(abi.encode(_LEAVE_TYPE, task, client)), client, signature);
        enrolment.left = true;
        enrolment.leftRound = _task[task].shown.lastRound;
        _log(task, Left.selector, uint160(client), abi.encode(signature));
    }

    function _enrol(Enrolment calldata enrolment, bytes calldata signature) private known(enrolment.task) {
        (uint256 task, address client) = (enrolment.task, enrolment.client);
        Task storage entered = _task[task];
        TaskView storage shown = entered.shown;
        if (block.timestamp > shown.enrolUntil || shown.enrolled == shown.maxClients) {
            revert HearthLedger_EnrolmentClosed(task);
        }
        if (enrolment.envelope == 0) revert HearthLedger_DigestZero();
        if (_enrolment[task][client].envelope != 0) revert HearthLedger_AlreadyEnrolled(task, client);
        _verify(keccak256(abi.encode(_ENROLMENT_TYPE, enrolment)), client, signature);
        uint8 reputation = _admit(task, client);
        _standing[client].task = uint64(task);
        _enrolment[task][client] = EnrolmentView(enrolment.envelope, 0, 0, reputation, false, entered.stake != 0);
        ++shown.enrolled;
        _log(task, Enrolled.selector, uint160(client), abi.encode(enrolment.envelope, reputation, signature));
    }

    /// @dev The reputation with which the client comes; refuses whoever still owes the ledger a leaf, or is too low.
    function _admit(uint256 task, address client) private view returns (uint8 reputation) {
        Standing memory standing = _standing[client];
        if (standing.task != 0 && _owesLeaf(standing.task, client)) {
            revert HearthLedger_ReputationPending(client, standing.task);
        }
        Task storage entered = _task[task];
        bool counts;
        (counts, reputation,) = _countedIn(task, standing);
        uint8 initial = entered.initialReputation;
        // one from elsewhere that is below the floor is not shed; nor is it worth more than none
        if (!counts && (reputation == _floor || reputation >= initial)) return initial;
        if (reputation < entered.minReputation) {
            revert HearthLedger_ReputationWrong(client, reputation, entered.minReputation, _maximum);
        }
    }
}
