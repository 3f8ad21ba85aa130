// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Compensations} from "./Compensations.sol";
import {Credits} from "./Credits.sol";
import {Disputes} from "./Disputes.sol";
import {Enrolments} from "./Enrolments.sol";
import {HearthJudge} from "./HearthJudge.sol";
import {LedgerState} from "./LedgerState.sol";
import {Rosters} from "./Rosters.sol";
import {IHearthTasks} from "./interfaces/IHearthTasks.sol";
import {TermsCheck} from "./libraries/TermsCheck.sol";

/// @title The ledger's second part: what comes before and after a task's rounds
/// @dev The ledger delegates to this code, so it runs on the ledger's storage, address and money. Called at its own
/// address it is a ledger without rounds: whatever is paid in there can be taken back.
contract HearthTasks is Enrolments, Rosters, Disputes, Compensations, Credits {
    constructor(LedgerRules memory rules_) LedgerState(rules_) Disputes(address(new HearthJudge())) {}

    /// @inheritdoc IHearthTasks
    function postTask(TaskTerms calldata terms) external payable nonReentrant returns (uint256 task) {
        TermsCheck.check(terms, _maximum, _claimSeconds);
        uint256 fees = terms.edgeFee + terms.authorities.length * terms.authorityFee;
        uint256 required =
            terms.rounds * (terms.maxCohort * (uint256(terms.participation) + terms.contribution) + fees);
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
        shown.maxCohort = terms.maxCohort;
        shown.participation = terms.participation;
        shown.contribution = terms.contribution;
        shown.escrow = uint128(required);
        posted.commitSeconds = terms.commitSeconds;
        posted.trainingSeconds = terms.trainingSeconds;
        posted.objectionSeconds = terms.objectionSeconds;
        posted.settleSeconds = terms.settleSeconds;
        posted.disputeSeconds = terms.disputeSeconds;
        posted.takeoverSeconds = terms.takeoverSeconds;
        posted.rosterRounds = terms.rosterRounds;
        posted.rosterSeconds = terms.rosterSeconds;
        posted.servers = uint8(terms.edgeServers.length);
        posted.authorities = uint8(terms.authorities.length);
        posted.threshold = terms.threshold;
        posted.roundFees = uint128(fees);
        posted.edgeBond = terms.edgeBond;
        posted.authorityBond = terms.authorityBond;
        posted.stake = terms.stake;
        posted.sourcesListed = terms.reputationSources.length != 0;
        for (uint256 i = 0; i < terms.reputationSources.length; ++i) {
            _source[task][terms.reputationSources[i]] = true;
        }
        _list(task, terms.edgeServers, Role.EdgeServer, "edgeServers");
        _list(task, terms.authorities, Role.Authority, "authorities");
        if (terms.voucherKey != 0) _nameVoucherKey(posted, terms.voucherKey);
        posted.initialReputation = terms.initialReputation;
        posted.minReputation = terms.minReputation;
        bytes memory data =
            abi.encode(terms, uint128(required), shown.enrolUntil, shown.taskUntil, shown.claimUntil);
        _log(task, TaskPosted.selector, _EVERYONE, uint160(msg.sender), data);
    }

    /// @inheritdoc IHearthTasks
    function refund(uint256 task) external nonReentrant known(task) {
        TaskView storage shown = _task[task].shown;
        if (!_ended(task, shown)) revert HearthLedger_TooEarly(shown.taskUntil);
        uint128 owed = 0;
        if (block.timestamp <= shown.claimUntil) {
            // a payout that may still be disputed is kept back, too
            owed = (shown.pendingRound == 0 ? shown.allocated : shown.pendingAllocated) - shown.claimed;
            owed += shown.reserved;
        }
        uint128 amount = shown.escrow - owed;
        if (amount == 0) revert HearthLedger_NothingToPay(task, shown.manufacturer);
        shown.escrow = owed;
        _log(task, Refunded.selector, uint160(shown.manufacturer), abi.encode(amount));
        _pay(task, shown.manufacturer, amount);
    }

    /// @dev For one task and never again, so that no voucher of another one could be shown here.
    function _nameVoucherKey(Task storage posted, bytes32 key) private {
        if (_voucherKeyUsed[key]) revert HearthLedger_VoucherKeyUsed(key);
        _voucherKeyUsed[key] = true;
        (posted.voucherNeeded, posted.voucherKey) = (true, key);
    }

    /// @dev Each once, and plain accounts alone: nobody can be convicted by a signature that a contract may take back.
    function _list(uint256 task, address[] calldata holders, Role role, string memory term) private {
        for (uint256 i = 0; i < holders.length; ++i) {
            bool plain = holders[i].code.length == 0;
            if (!plain || _bond[task][holders[i]].role != Role.None) revert HearthLedger_TermsInvalid(term);
            (_bond[task][holders[i]].role, _bond[task][holders[i]].index) = (role, uint8(i));
        }
    }
}
