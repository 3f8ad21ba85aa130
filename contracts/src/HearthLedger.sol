// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Disputes} from "./Disputes.sol";
import {Enrolments} from "./Enrolments.sol";
import {LedgerState} from "./LedgerState.sol";
import {Payouts} from "./Payouts.sol";
import {Rounds} from "./Rounds.sol";
import {IHearthLedger} from "./interfaces/IHearthLedger.sol";
import {TermsCheck} from "./libraries/TermsCheck.sol";

/// @title Escrow, commitments and rewards of all tasks of one chain. No owner, no upgrade, no pause.
contract HearthLedger is Enrolments, Rounds, Payouts, Disputes {
    constructor(ReputationRules memory rules) LedgerState(rules) {}

    /// @inheritdoc IHearthLedger
    function postTask(TaskTerms calldata terms) external payable nonReentrant returns (uint256 task) {
        TermsCheck.check(terms, _maximum);
        uint256 required = uint256(terms.rounds) * terms.maxClients * terms.updateReward;
        if (required > type(uint128).max) revert HearthLedger_EscrowWrong(msg.value, required);
        _receive(terms.token, required);
        task = ++_tasks;
        Task storage posted = _task[task];
        TaskView storage shown = posted.shown;
        shown.spec = terms.spec;
        shown.manufacturer = msg.sender;
        shown.token = terms.token;
        shown.edgeServer = terms.edgeServers[0];
        shown.rounds = terms.rounds;
        shown.minClients = terms.minClients;
        shown.maxClients = terms.maxClients;
        shown.enrolUntil = uint48(block.timestamp + terms.enrolmentSeconds);
        shown.taskUntil = uint48(block.timestamp + terms.taskSeconds);
        shown.claimUntil = uint48(block.timestamp + terms.taskSeconds + terms.claimSeconds);
        shown.updateReward = terms.updateReward;
        shown.escrow = uint128(required);
        posted.commitSeconds = terms.commitSeconds;
        posted.settleSeconds = terms.settleSeconds;
        posted.disputeSeconds = terms.disputeSeconds;
        posted.takeoverSeconds = terms.takeoverSeconds;
        posted.edgeBond = terms.edgeBond;
        posted.authorityBond = terms.authorityBond;
        posted.stake = terms.stake;
        if (terms.authorityBond != 0) posted.authoritiesMissing = terms.threshold;
        _list(task, terms.edgeServers, Role.EdgeServer);
        _list(task, terms.authorities, Role.Authority);
        posted.initialReputation = terms.initialReputation;
        posted.minReputation = terms.minReputation;
        emit TaskPosted(
            task, msg.sender, terms, uint128(required), shown.enrolUntil, shown.taskUntil, shown.claimUntil
        );
    }

    function _list(uint256 task, address[] calldata holders, Role role) private {
        for (uint256 i = 0; i < holders.length; ++i) {
            if (_bond[task][holders[i]].role != Role.None) revert HearthLedger_TermsInvalid("listed twice");
            (_bond[task][holders[i]].role, _bond[task][holders[i]].index) = (role, uint8(i));
        }
    }
}
