// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthLedger} from "../interfaces/IHearthLedger.sol";

/// @title What the contract demands of a task's terms before it takes any money for it
library TermsCheck {
    uint32 private constant _MAX_CLIENTS = 10_000;
    uint32 private constant _MAX_ROUNDS = 100_000;
    uint32 private constant _MAX_SECONDS = 3650 days;
    uint256 private constant _MAX_AUTHORITIES = 16;

    /// @notice Reverts with TermsInvalid, naming the term.
    function check(IHearthLedger.TaskTerms calldata terms) internal pure {
        _require(terms.spec != 0, "spec");
        _require(terms.edgeServer != address(0), "edgeServer");
        _require(terms.rounds >= 1 && terms.rounds <= _MAX_ROUNDS, "rounds");
        _require(terms.minClients >= 2 && terms.minClients <= terms.maxClients, "minClients");
        _require(terms.maxClients <= _MAX_CLIENTS, "maxClients");
        _require(_duration(terms.enrolmentSeconds), "enrolmentSeconds");
        _require(_duration(terms.commitSeconds), "commitSeconds");
        _require(_duration(terms.settleSeconds), "settleSeconds");
        _require(_duration(terms.taskSeconds), "taskSeconds");
        // a round opened in the last second of the task must still be paid
        bool lastRoundPaid = terms.claimSeconds > uint256(terms.commitSeconds) + terms.settleSeconds;
        _require(_duration(terms.claimSeconds) && lastRoundPaid, "claimSeconds");
        _require(terms.updateReward > 0, "updateReward");
        _authorities(terms.authorities, terms.threshold);
    }

    function _authorities(address[] calldata authorities, uint8 threshold) private pure {
        uint256 count = authorities.length;
        _require(count >= 2 && count <= _MAX_AUTHORITIES, "authorities");
        _require(threshold >= 2 && threshold <= count, "threshold");
        for (uint256 i = 0; i < count; ++i) {
            _require(authorities[i] != address(0), "authorities");
            for (uint256 j = 0; j < i; ++j) {
                _require(authorities[i] != authorities[j], "authorities");
            }
        }
    }

    function _duration(uint32 secs) private pure returns (bool) {
        return secs > 0 && secs <= _MAX_SECONDS;
    }

    function _require(bool holds, string memory term) private pure {
        if (!holds) revert IHearthLedger.HearthLedger_TermsInvalid(term);
    }
}
