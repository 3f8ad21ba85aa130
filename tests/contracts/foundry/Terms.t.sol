// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./World.sol";
import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {IHearthTasks} from "interfaces/IHearthTasks.sol";
import {vm, within} from "./Vm.sol";

/// @title A task is posted if, and only if, its terms are within the limits of docs/protocol.md and its money is exact
contract TermsTest is World {
    uint256 private constant _TEN_YEARS = 3650 days;

    function setUp() external {
        _build();
    }

    function testFuzz_oneTermAnywhere(uint256 field, uint256 value) external {
        TaskTerms memory terms = _terms(false);
        uint32 small = uint32(value);
        field = field % 23;
        if (field == 0) terms.spec = bytes32(value);
        else if (field == 1) terms.threshold = uint8(value);
        else if (field == 2) terms.initialReputation = uint8(value);
        else if (field == 3) terms.rounds = uint32(within(small, 0, 100_010));
        else if (field == 4) terms.minClients = uint32(within(small, 0, 6));
        else if (field == 5) terms.maxClients = uint32(value % 2 == 0 ? within(small, 0, 10) : within(small, 999_990, 1_000_010));
        else if (field == 6) terms.enrolmentSeconds = small;
        else if (field == 7) terms.commitSeconds = uint32(within(small, 0, 5000));
        else if (field == 8) terms.settleSeconds = uint32(within(small, 0, 5000));
        else if (field == 9) terms.taskSeconds = small;
        else if (field == 10) terms.claimSeconds = small;
        else if (field == 11) terms.disputeSeconds = uint32(within(small, 0, 400));
        else if (field == 12) terms.takeoverSeconds = uint32(within(small, 0, 400));
        else if (field == 13) terms.minReputation = uint8(value);
        else if (field == 14) terms.token = value % 2 == 0 ? address(uint160(value)) : address(token);
        else if (field == 15) terms.contribution = uint128(value);
        else if (field == 16) terms.trainingSeconds = uint32(within(small, 0, 200));
        else if (field == 17) terms.objectionSeconds = uint32(within(small, 0, 400));
        else if (field == 18) terms.claimSeconds = uint32(within(small, 640, 660));
        else if (field == 19) terms.maxCohort = uint32(within(small, 0, 6));
        else if (field == 22) (terms.maxClients, terms.maxCohort, terms.participation) = (20_000, uint32(within(small, 9_990, 10_010)), 0);
        else if (field == 20) terms.participation = uint128(within(value, 0, 1000));
        else terms.edgeBond = uint128(within(value, 4 * PARTICIPATION - 2, 4 * PARTICIPATION + 2));
        _check(terms);
    }

    function testFuzz_listsAnywhere(uint8 servers, uint8 authorities, uint8 threshold, uint8 twice, bool zero, uint8 sources)
        external
    {
        TaskTerms memory terms = _terms(false);
        terms.edgeServers = _list(0x100, servers % 20);
        terms.authorities = _list(0x200, authorities % 20);
        terms.threshold = threshold % 20;
        terms.reputationSources = _list(uint160(sources % 3), sources % 20);
        if (twice % 4 == 0 && terms.authorities.length != 0) {
            address wrong = twice % 8 == 0 ? address(token) : address(0x100);
            terms.authorities[twice % terms.authorities.length] = zero ? address(0) : wrong;
        }
        _check(terms);
    }

    function testFuzz_theMoneyIsExact(uint128 sent, uint128 reward) external {
        TaskTerms memory terms = _terms(false);
        terms.contribution = uint128(within(reward, 1, 1e18));
        uint256 escrow = _escrow(terms);
        uint256 value = within(sent, escrow - 2, escrow + 2);
        vm.prank(_manufacturer(0));
        (bool done,) = address(ledger).call{value: value}(abi.encodeCall(IHearthTasks.postTask, (terms)));
        assert(done == (value == escrow));
    }

    function test_theLargestEscrowThereIs() external {
        TaskTerms memory terms = _terms(false);
        (terms.participation, terms.edgeFee, terms.authorityFee) = (0, 0, 0);
        (terms.rounds, terms.maxClients, terms.maxCohort) = (3, 5, 5);
        terms.contribution = type(uint128).max / 15;
        _check(terms);
        assert(ledger.taskOf(1).escrow == type(uint128).max);
    }

    function testFuzz_noCoinsComeWithAToken(uint256 value) external {
        value = within(value, 0, 3);
        vm.prank(_manufacturer(0));
        (bool done,) = address(ledger).call{value: value}(abi.encodeCall(IHearthTasks.postTask, (_terms(true))));
        assert(done == (value == 0));
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_rules(uint8 maximum, uint8 floor, uint32 waiting, uint32 claiming) external {
        (floor, waiting) = (uint8(within(floor, 0, uint256(maximum) + 1)), uint32(within(waiting, 0, 2)));
        address made = _deploy(LedgerRules(maximum, floor, waiting, claiming));
        assert((made != address(0)) == (floor <= maximum && waiting != 0));
        if (made == address(0)) return;
        LedgerRules memory kept = IHearthLedger(made).rules();
        assert(kept.maximum == maximum && kept.floor == floor);
        assert(kept.waitingSeconds == waiting && kept.claimSeconds == claiming);
    }

    function _check(TaskTerms memory terms) private {
        uint256 escrow = _escrow(terms);
        vm.deal(_manufacturer(0), escrow);
        vm.prank(_manufacturer(0));
        uint256 value = terms.token == address(0) ? escrow : 0;
        (bool done,) = address(ledger).call{value: value}(abi.encodeCall(IHearthTasks.postTask, (terms)));
        assert(done == (_people(terms) && _times(terms) && _sizes(terms) && escrow <= type(uint128).max));
        if (!done) return;
        assert(ledger.taskOf(1).escrow == escrow);
        assert(terms.token == address(0) ? address(ledger).balance == escrow : token.balanceOf(address(ledger)) == escrow);
    }

    function _people(TaskTerms memory terms) private view returns (bool) {
        (uint256 servers, uint256 authorities) = (terms.edgeServers.length, terms.authorities.length);
        if (servers < 1 || servers > 16 || authorities < 2 || authorities > 16) return false;
        if (terms.threshold < 2 || terms.threshold > authorities) return false;
        uint256 sources = terms.reputationSources.length;
        if (sources > 16 || (sources != 0 && terms.reputationSources[0] == address(0))) return false;
        for (uint256 i = 0; i < authorities; ++i) {
            if (terms.authorities[i] == address(0) || terms.authorities[i].code.length != 0) return false;
            for (uint256 j = 0; j < servers; ++j) if (terms.authorities[i] == terms.edgeServers[j]) return false;
        }
        return true;
    }

    function _times(TaskTerms memory terms) private pure returns (bool) {
        if (terms.enrolmentSeconds == 0 || terms.enrolmentSeconds > _TEN_YEARS) return false;
        if (terms.taskSeconds == 0 || terms.taskSeconds > _TEN_YEARS || terms.claimSeconds > _TEN_YEARS) return false;
        if (terms.commitSeconds == 0 || terms.settleSeconds == 0) return false;
        if (terms.trainingSeconds == 0 || terms.objectionSeconds == 0) return false;
        if (2 * terms.trainingSeconds + terms.objectionSeconds > terms.commitSeconds) return false;
        if (terms.disputeSeconds > terms.settleSeconds || terms.takeoverSeconds > terms.settleSeconds) return false;
        if (terms.claimSeconds < LEAST_CLAIM) return false;
        return terms.claimSeconds > terms.commitSeconds + terms.settleSeconds + terms.disputeSeconds;
    }

    function _sizes(TaskTerms memory terms) private view returns (bool) {
        bool clients = 2 <= terms.minClients && terms.minClients <= terms.maxClients && terms.maxClients <= 1_000_000;
        if (terms.maxCohort < terms.minClients || terms.maxCohort > terms.maxClients) return false;
        if (terms.maxCohort > 10_000) return false;
        if (terms.edgeBond < uint256(terms.maxCohort) * terms.participation) return false;
        bool reputations = terms.initialReputation <= MAXIMUM && terms.minReputation <= MAXIMUM;
        bool rounds = 1 <= terms.rounds && terms.rounds <= 100_000;
        bool money = (terms.participation != 0 || terms.contribution != 0) && (terms.token == address(0) || terms.token.code.length != 0);
        return terms.spec != 0 && clients && reputations && rounds && money;
    }

    function _list(uint160 from, uint256 count) private pure returns (address[] memory holders) {
        holders = new address[](count);
        for (uint256 i = 0; i < count; ++i) holders[i] = address(from + uint160(i));
    }
}
