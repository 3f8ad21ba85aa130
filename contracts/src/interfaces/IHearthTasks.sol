// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthEvents} from "./IHearthEvents.sol";

/// @title Who takes part in a task, with what money, from its terms to its refund
/// @dev A payment that its payee, or the token, does not take with 50,000 units of gas (150,000 in a token) becomes a credit.
interface IHearthTasks is IHearthEvents {
    /// @notice Posts a task; returns its number, from 1. Its escrow of exactly rounds * (maxCohort *
    /// (participation + contribution) + edgeFee + authorities * authorityFee) comes as `msg.value`, or in an ERC-20 `token`
    /// that the sender has approved: then what arrives is measured.
    function postTask(TaskTerms calldata terms) external payable returns (uint256 task);

    /// @notice Places the bond of an edge server or authority of the task; anyone may pay it, once. Without its bond an
    /// edge server cannot act, and without those of `threshold` authorities no round opens.
    function placeBond(uint256 task, address holder) external payable;

    /// @notice Anyone: returns a bond to its holder once the task has ended and no payout can be disputed any more.
    function returnBond(uint256 task, address holder) external;

    /// @notice Enrols clients by their EIP-712 signatures (ERC-1271 for contracts); anyone may relay. While the task runs,
    /// up to maxClients. An address works for one task at a time: it enrols again once its final leaf of the last one is
    /// applied (see claim), or that task's claim period is over. Known addresses need minReputation, fresh ones start at
    /// initialReputation. Among several, those that cannot enrol are skipped. Where the terms ask for a stake, the sender
    /// brings one for each, and gets back those of the skipped; the client gets its own with its last claim.
    function enrol(Enrolment[] calldata enrolments, bytes[] calldata signatures) external payable;

    /// @notice The same where the terms have a voucherKey, the Keccak-256 of an RSA modulus of 256 bytes: each client shows its
    /// voucher, the manufacturer's signature (exponent 65537) over the full-domain hash of this client and task, see
    /// Vouchers. `vouchers`: the modulus, then that of each enrolment, 256 bytes each.
    function enrolWithVouchers(
        Enrolment[] calldata enrolments,
        bytes[] calldata signatures,
        bytes calldata vouchers
    ) external payable;

    /// @notice An authority of the task says, once for each window of rosterRounds rounds and before its first round, whose
    /// keys it holds and whose envelope it refuses: bit i (the lowest of a byte first) is the i-th client that enrolled.
    /// Until rosterSeconds after enrolUntil, later after settleUntil of the round before the window.
    function postRoster(uint256 task, uint32 window, bytes calldata held, bytes calldata refused) external;

    /// @notice The client leaves: no later round may plan it. EIP-712 `Leave` by its signer; anyone may relay.
    function leave(uint256 task, address client, bytes calldata signature) external;

    /// @notice Anyone: returns the stake of a client without a last claim: it has no leaf, because it left before the first
    /// round or there is no tree, or claimUntil has passed.
    function returnStake(uint256 task, address client) external;

    /// @notice Anyone: `proof` is an encoded call of IHearthJudge. A breach ends the culprit's role in the task and takes its
    /// bond. A server's, from a round's opening until its payout can be claimed, freezes the round: its tree is void, the
    /// one before stands, and whoever committed is compensated, out of the bond first. An authority's freezes nothing.
    /// Half of what is left of the bond (rounded down) is the sender's credit, the rest goes into the escrow.
    function dispute(bytes calldata proof) external;

    /// @notice Anyone may send it, until claimUntil: pays a client that committed in a round which expired or was frozen, once:
    /// participation, and contribution as well once a key was requested. `place` proves that it was planned, `leaf`
    /// that it is in the batch; who committed directly needs no leaf.
    function compensate(
        uint256 task,
        uint64 round,
        address client,
        CohortPlace calldata place,
        BatchLeaf calldata leaf
    ) external;

    /// @notice Anyone may send it; pays the manufacturer what no client can claim any more: the unallocated rest once the
    /// task has ended (last round final, or taskUntil passed with no round open, or too few clients enrolled), everything
    /// after claimUntil.
    function refund(uint256 task) external;

    /// @notice Pays a credit: what a payee did not take, with little gas, when it was paid. Anyone may send it to the
    /// holder; only the holder may name another address.
    function withdraw(uint256 task, address holder, address to) external;
}
