// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Payments} from "./Payments.sol";
import {Standings} from "./Standings.sol";
import {IHearthLedger} from "./interfaces/IHearthLedger.sol";
import {Leaves} from "./libraries/Leaves.sol";

/// @title Rewards to clients
abstract contract Payouts is IHearthLedger, Payments, Standings {
    /// @inheritdoc IHearthLedger
    function claim(uint256 task, Entitlement calldata leaf, bytes32[] calldata proof)
        external
        nonReentrant
        known(task)
    {
        (bytes32 root, uint128 allocated) = _claimable(task);
        if (!MerkleProof.verifyCalldata(proof, root, Leaves.entitlement(task, leaf))) {
            revert HearthLedger_ProofInvalid(task, leaf.client);
        }
        if (!_settle(task, leaf, allocated)) revert HearthLedger_NothingToPay(task, leaf.client);
    }

    /// @inheritdoc IHearthLedger
    function claimMany(
        uint256 task,
        Entitlement[] calldata leaves,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external nonReentrant known(task) {
        (bytes32 root, uint128 allocated) = _claimable(task);
        bytes32[] memory hashes = Leaves.entitlements(task, leaves);
        if (!MerkleProof.multiProofVerifyCalldata(proof, proofFlags, root, hashes)) {
            revert HearthLedger_ProofInvalid(task, address(0));
        }
        for (uint256 i = 0; i < leaves.length; ++i) {
            _settle(task, leaves[i], allocated);
        }
    }

    function _claimable(uint256 task) private view returns (bytes32 root, uint128 allocated) {
        TaskView storage shown = _task[task].shown;
        if (block.timestamp > shown.claimUntil) revert HearthLedger_TooLate(shown.claimUntil);
        return _payable(shown);
    }

    /// @dev Pays what is not paid yet and takes the reputation over; false when there is nothing to do.
    function _settle(uint256 task, Entitlement calldata leaf, uint128 allocated) private returns (bool) {
        (address client, uint128 cumulative) = (leaf.client, leaf.cumulative);
        EnrolmentView storage enrolment = _enrolment[task][client];
        // the others of a tree are servers and authorities, with their fees; nobody else gets anything
        if (enrolment.envelope == 0 && _bond[task][client].role == Role.None) return false;
        uint128 before = enrolment.claimed;
        uint128 amount = cumulative > before ? cumulative - before : 0;
        bool freed = _takeReputation(task, leaf, enrolment, amount);
        if (amount == 0 && !freed) return false;
        TaskView storage shown = _task[task].shown;
        uint128 claimed = shown.claimed;
        if (amount > allocated - claimed) {
            revert HearthLedger_AllocationWrong(cumulative, before, before + allocated - claimed);
        }
        if (amount != 0) enrolment.claimed = cumulative;
        shown.claimed = claimed + amount;
        shown.escrow -= amount;
        _logClaimed(task, leaf, amount, freed);
        if (freed && enrolment.staked) amount += _unstake(task, client, enrolment);
        _pay(task, client, amount);
        return true;
    }

    function _logClaimed(uint256 task, Entitlement calldata leaf, uint128 amount, bool freed) private {
        bytes memory data = abi.encode(amount, leaf.cumulative, leaf.reputation, freed);
        _log(task, Claimed.selector, uint160(leaf.client), data);
    }

    /// @dev Of the client's current task only: a leaf of an older one says nothing new. True when it frees the client.
    function _takeReputation(uint256 task, Entitlement calldata leaf, EnrolmentView storage enrolment, uint128 amount)
        private
        returns (bool freed)
    {
        Standing storage standing = _standing[leaf.client];
        if (standing.task != task) return false;
        if (leaf.reputation > _maximum) revert HearthLedger_ReputationWrong(leaf.client, leaf.reputation, 0, _maximum);
        freed = _isFinal(task, enrolment);
        if (freed || amount != 0) _settleStanding(task, standing, leaf.reputation, freed);
    }
}
