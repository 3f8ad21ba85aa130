// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Deposits} from "./Deposits.sol";
import {Standings} from "./Standings.sol";
import {IHearthTasks} from "./interfaces/IHearthTasks.sol";
import {Vouchers} from "./libraries/Vouchers.sol";

/// @title Who works for a task, and with what reputation it comes
abstract contract Enrolments is Deposits, Standings {
    bytes32 private constant _ENROLMENT_TYPE = keccak256(
        "Enrolment(uint256 task,bytes32 spec,address client,address signer,bytes32 envelope,uint128 stake,uint48 lockedUntil,uint48 deadline)"
    );
    // what a contract may use up to say that it agrees
    uint256 private constant _WORD_GAS = 100_000;
    bytes32 private constant _LEAVE_TYPE = keccak256("Leave(uint256 task,address client)");

    /// @inheritdoc IHearthTasks
    function enrol(Enrolment[] calldata enrolments, bytes[] calldata signatures) external payable nonReentrant {
        _enrolAll(enrolments, signatures, msg.data[:0]);
    }

    /// @inheritdoc IHearthTasks
    function enrolWithVouchers(
        Enrolment[] calldata enrolments,
        bytes[] calldata signatures,
        bytes calldata vouchers
    ) external payable nonReentrant {
        _enrolAll(enrolments, signatures, vouchers);
    }

    /// @inheritdoc IHearthTasks
    function leave(uint256 task, address client, bytes calldata signature) external known(task) {
        EnrolmentView storage enrolment = _enrolment[task][client];
        if (enrolment.envelope == 0 || enrolment.left) revert HearthLedger_NotEnrolled(task, client);
        _verify(task, keccak256(abi.encode(_LEAVE_TYPE, task, client)), client, signature);
        enrolment.left = true;
        enrolment.leftRound = _task[task].shown.lastRound;
        _log(task, Left.selector, uint160(client), abi.encode(signature));
    }

    /// @param vouchers as enrolWithVouchers takes them; none where the task needs none.
    function _enrolAll(Enrolment[] calldata enrolments, bytes[] calldata signatures, bytes calldata vouchers) private {
        uint256 count = enrolments.length;
        if (count == 0 || count != signatures.length) revert HearthLedger_TermsInvalid("signatures");
        uint256 task = enrolments[0].task;
        Task storage entered = _task[task];
        bool fit = entered.voucherNeeded
            ? Vouchers.areFor(entered.voucherKey, vouchers, count)
            : vouchers.length == 0;
        if (!fit) revert HearthLedger_TermsInvalid("vouchers");
        _receive(entered.shown.token, count * entered.stake);
        uint256 skipped = 0;
        for (uint256 i = 0; i < count; ++i) {
            bytes memory problem = _enrolOne(task, enrolments[i], signatures[i], vouchers, i);
            if (problem.length == 0) continue;
            // alone it says why; among others it must not stop them
            if (count == 1) _raise(problem);
            ++skipped;
        }
        entered.shown.deposits += SafeCast.toUint128((count - skipped) * entered.stake);
        _pay(task, msg.sender, SafeCast.toUint128(skipped * entered.stake));
    }

    /// @return problem The error with which the ledger refuses the enrolment at place `i`; empty for none.
    function _enrolOne(
        uint256 task,
        Enrolment calldata enrolment,
        bytes calldata signature,
        bytes calldata vouchers,
        uint256 i
    ) private returns (bytes memory problem) {
        uint8 reputation;
        (problem, reputation) = _admit(task, enrolment, signature);
        if (problem.length != 0) return problem;
        if (vouchers.length != 0) {
            address client = enrolment.client;
            if (!Vouchers.isSigned(_task[task].voucherKey, vouchers, task, client, i)) {
                return abi.encodeWithSelector(HearthLedger_VoucherInvalid.selector, task, client);
            }
            _log(task, VoucherShown.selector, uint160(client), abi.encode(Vouchers.at(vouchers, i)));
        }
        _enter(task, enrolment, signature, reputation);
    }

    function _enter(uint256 task, Enrolment calldata enrolment, bytes calldata signature, uint8 reputation) private {
        address client = enrolment.client;
        Task storage entered = _task[task];
        TaskView storage shown = entered.shown;
        _standing[client].task = uint64(task);
        _enrolment[task][client] = EnrolmentView(enrolment.envelope, 0, 0, reputation, false, entered.stake != 0);
        if (enrolment.signer != client) _signer[task][client] = enrolment.signer;
        ++shown.enrolled;
        bytes memory data =
            abi.encode(enrolment.envelope, reputation, enrolment.signer, enrolment.deadline, signature);
        _log(task, Enrolled.selector, uint160(client), data);
        // nobody is waited for any more
        if (shown.enrolled == shown.maxClients && block.timestamp < shown.enrolUntil) {
            shown.enrolUntil = uint48(block.timestamp);
            _log(task, EnrolmentFull.selector, _EVERYONE, shown.enrolled, abi.encode(shown.enrolUntil));
        }
    }

    /// @return problem The error with which the ledger refuses the enrolment; empty for none.
    /// @return reputation With which the client comes.
    function _admit(uint256 task, Enrolment calldata enrolment, bytes calldata signature)
        private
        view
        returns (bytes memory problem, uint8 reputation)
    {
        address client = enrolment.client;
        TaskView storage shown = _task[task].shown;
        if (task == 0 || task > _tasks) return (abi.encodeWithSelector(HearthLedger_TaskUnknown.selector, task), 0);
        if (_over(shown) || shown.enrolled == shown.maxClients) {
            return (abi.encodeWithSelector(HearthLedger_EnrolmentClosed.selector, task), 0);
        }
        if (enrolment.envelope == 0) return (abi.encodeWithSelector(HearthLedger_DigestZero.selector), 0);
        if (_enrolment[task][client].envelope != 0) {
            return (abi.encodeWithSelector(HearthLedger_AlreadyEnrolled.selector, task, client), 0);
        }
        if (block.timestamp > enrolment.deadline) {
            return (abi.encodeWithSelector(HearthLedger_TooLate.selector, enrolment.deadline), 0);
        }
        bool terms = enrolment.task == task && enrolment.spec == shown.spec && enrolment.stake == _task[task].stake
            && enrolment.lockedUntil == shown.claimUntil && enrolment.signer != address(0);
        if (!terms || !_isAgreed(keccak256(abi.encode(_ENROLMENT_TYPE, enrolment)), client, signature)) {
            return (abi.encodeWithSelector(HearthLedger_SignatureInvalid.selector, client), 0);
        }
        return _comesWith(task, client);
    }

    /// @dev The reputation with which the client comes; refuses whoever still owes the ledger a leaf, or is too low.
    function _comesWith(uint256 task, address client) private view returns (bytes memory problem, uint8 reputation) {
        Standing memory standing = _standing[client];
        if (standing.task != 0 && _owesLeaf(standing.task, client)) {
            return (abi.encodeWithSelector(HearthLedger_ReputationPending.selector, client, standing.task), 0);
        }
        Task storage entered = _task[task];
        bool counts;
        (counts, reputation,) = _countedIn(task, standing);
        uint8 initial = entered.initialReputation;
        // one from elsewhere that is below the floor is not shed; nor is it worth more than none
        if (!counts && (reputation == _floor || reputation >= initial)) return ("", initial);
        if (reputation < entered.minReputation) {
            problem = abi.encodeWithSelector(
                HearthLedger_ReputationWrong.selector, client, reputation, entered.minReputation, _maximum
            );
        }
    }

    /// @dev By the client's key or, where the client is a contract, by its own word (ERC-1271), with little gas.
    function _isAgreed(bytes32 structHash, address client, bytes calldata signature) private view returns (bool) {
        if (_isSigned(structHash, client, signature)) return true;
        bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (_hashTypedDataV4(structHash), signature));
        bool answered;
        bytes32 answer;
        assembly ("memory-safe") {
            answered := staticcall(_WORD_GAS, client, add(question, 32), mload(question), 0, 32)
            answered := and(answered, gt(returndatasize(), 31))
            answer := mload(0)
        }
        return client.code.length != 0 && answered && bytes4(answer) == IERC1271.isValidSignature.selector;
    }

    function _raise(bytes memory problem) private pure {
        assembly ("memory-safe") {
            revert(add(problem, 32), mload(problem))
        }
    }
}
