// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthEvents} from "../interfaces/IHearthEvents.sol";
import {IHearthTypes} from "../interfaces/IHearthTypes.sol";

/// @title What the contract demands of a task's terms before it takes any money for it
library TermsCheck {
    uint32 private constant _MAX_CLIENTS = 1_000_000;
    uint32 private constant _MAX_COHORT = 10_000;
    uint32 private constant _MAX_ROUNDS = 100_000;
    uint32 private constant _MAX_SECONDS = 3650 days;
    uint256 private constant _MAX_LISTED = 16;

    /// @notice Reverts with TermsInvalid, naming the term.
    /// @param leastClaim seconds that every task of the deployment gives its clients to claim.
    function check(IHearthTypes.TaskTerms calldata terms, uint8 maxReputation, uint32 leastClaim) internal view {
        _require(terms.spec != 0, "spec");
        _listed(terms.edgeServers, 1, "edgeServers");
        _require(terms.rounds >= 1 && terms.rounds <= _MAX_ROUNDS, "rounds");
        _require(terms.minClients >= 2 && terms.minClients <= terms.maxClients, "minClients");
        _require(terms.maxClients <= _MAX_CLIENTS, "maxClients");
        bool cohortFits = terms.maxCohort <= terms.maxClients && terms.maxCohort <= _MAX_COHORT;
        _require(cohortFits && terms.maxCohort >= terms.minClients, "maxCohort");
        _require(_duration(terms.enrolmentSeconds), "enrolmentSeconds");
        _require(_duration(terms.commitSeconds), "commitSeconds");
        _require(_duration(terms.trainingSeconds), "trainingSeconds");
        // else there would be no instant at which a batch may come
        bool batchInTime = 2 * uint256(terms.trainingSeconds) + terms.objectionSeconds <= terms.commitSeconds;
        _require(_duration(terms.objectionSeconds) && batchInTime, "objectionSeconds");
        _require(_duration(terms.settleSeconds), "settleSeconds");
        _require(_duration(terms.taskSeconds), "taskSeconds");
        // else the next round could run out of time while it waits to be settled
        _require(terms.disputeSeconds <= terms.settleSeconds, "disputeSeconds");
        _require(terms.takeoverSeconds <= terms.settleSeconds, "takeoverSeconds");
        _require(terms.rosterRounds != 0, "rosterRounds");
        _require(_duration(terms.rosterSeconds), "rosterSeconds");
        // a round opened in the last second of the task must still be paid
        bool lastRoundPaid =
            terms.claimSeconds > uint256(terms.commitSeconds) + terms.settleSeconds + terms.disputeSeconds;
        bool longEnough = terms.claimSeconds >= leastClaim && lastRoundPaid;
        _require(_duration(terms.claimSeconds) && longEnough, "claimSeconds");
        _require(terms.token == address(0) || terms.token.code.length != 0, "token");
        _require(terms.participation > 0 || terms.contribution > 0, "participation");
        // else a server that leaves a round alone takes what its clients are owed from the manufacturer
        _require(terms.edgeBond >= terms.maxCohort * uint256(terms.participation), "edgeBond");
        _require(terms.initialReputation <= maxReputation, "initialReputation");
        _require(terms.minReputation <= maxReputation, "minReputation");
        _listed(terms.authorities, 2, "authorities");
        _listed(terms.reputationSources, 0, "reputationSources");
        _require(terms.threshold >= 2 && terms.threshold <= terms.authorities.length, "threshold");
    }

    function _listed(address[] calldata holders, uint256 least, string memory term) private pure {
        _require(holders.length >= least && holders.length <= _MAX_LISTED, term);
        for (uint256 i = 0; i < holders.length; ++i) {
            _require(holders[i] != address(0), term);
        }
    }

    function _duration(uint32 secs) private pure returns (bool) {
        return secs > 0 && secs <= _MAX_SECONDS;
    }

    function _require(bool holds, string memory term) private pure {
        if (!holds) revert IHearthEvents.HearthLedger_TermsInvalid(term);
    }
}
