// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Payments} from "./Payments.sol";
import {IHearthTasks} from "./interfaces/IHearthTasks.sol";
import {CohortTree} from "./libraries/CohortTree.sol";
import {Leaves} from "./libraries/Leaves.sol";

/// @title What a round that was not published pays to those who committed in it
/// @dev No tree and no server is asked: who proves its place in the cohort and its commitment is paid.
abstract contract Compensations is IHearthTasks, Payments {
    /// @inheritdoc IHearthTasks
    function compensate(
        uint256 task,
        uint64 round,
        address client,
        CohortPlace calldata place,
        BatchLeaf calldata leaf
    ) external nonReentrant known(task) {
        RoundView storage current = _round[task][round];
        if (current.state != RoundState.Expired && current.state != RoundState.Frozen) {
            revert HearthLedger_RoundUnexpected(task, round, current.state);
        }
        TaskView storage shown = _task[task].shown;
        if (block.timestamp > shown.claimUntil) revert HearthLedger_TooLate(shown.claimUntil);
        if (!CohortTree.holds(current.cohortRoot, current.cohort, client, place)) {
            revert HearthLedger_NotPlanned(task, client);
        }
        if (!_committed[task][round][client]) _requireBatched(task, round, client, leaf);
        uint128 amount = _compensation(shown, current);
        if (amount == 0 || _compensated[task][round][client]) revert HearthLedger_NothingToPay(task, client);
        _compensated[task][round][client] = true;
        shown.reserved -= amount;
        shown.escrow -= amount;
        _log(task, Compensated.selector, uint160(client), round, abi.encode(amount));
        _pay(task, client, amount);
    }

    function _requireBatched(uint256 task, uint64 round, address client, BatchLeaf calldata leaf) private view {
        RoundView storage current = _round[task][round];
        Commitment calldata commitment = leaf.commitment;
        bool here = commitment.task == task && commitment.round == round && commitment.label == current.label;
        bytes32 hash = Leaves.structHash(commitment);
        bool batched = current.batched != 0 && Leaves.isBatched(current.batchRoot, leaf, hash);
        if (!here || commitment.client != client || !batched) revert HearthLedger_ProofInvalid(task, client);
        _verify(task, hash, client, leaf.signature);
    }
}
