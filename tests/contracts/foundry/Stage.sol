// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {IHearthTasks} from "interfaces/IHearthTasks.sol";
import {Cohort} from "./Cohort.sol";
import {vm} from "./Vm.sol";

/// @title One task without stakes and fees, and the straight way to its settlements, for the fuzz tests
abstract contract Stage is Cohort {
    uint32 internal constant ENROLLED = 3;

    function _requested(bool inToken) internal {
        _enrolled(inToken);
        vm.warp(block.timestamp + 651);
        _request(1);
    }

    function _enrolled(bool inToken) internal {
        _build();
        TaskTerms memory terms = _terms(inToken);
        (terms.authorityBond, terms.stake, terms.edgeFee, terms.authorityFee) = (0, 0, 0, 0);
        terms.maxCohort = terms.maxClients;
        _post(terms, _manufacturer(0));
        for (uint256 i = 0; i < SERVERS; ++i) {
            vm.prank(sponsor);
            ledger.placeBond{value: inToken ? 0 : EDGE_BOND}(1, _server(i));
        }
        for (uint256 i = 0; i < ENROLLED; ++i) {
            Enrolment memory enrolment = _enrolment(1, _client(i), SOME);
            assert(_enrol(enrolment, _signed(_clientKey(i), _enrolmentHash(enrolment))));
        }
    }

    function _open(uint64 round) internal {
        _must(abi.encodeCall(IHearthLedger.openRound, (1, round, SOME, SOME, _cohortRoot(ENROLLED), ENROLLED)));
    }

    function _request(uint64 round) internal {
        _open(round);
        vm.warp(block.timestamp + 2 * 20);
        _must(abi.encodeCall(IHearthLedger.commitBatch, (1, round, SOME, SOME, ENROLLED)));
        vm.warp(block.timestamp + 30 + 1);
        _must(abi.encodeCall(IHearthLedger.requestKey, (1, round, SOME)));
    }

    function _settle(bytes32 root, uint128 allocated, bool abandon) internal returns (bool) {
        uint64 round = ledger.taskOf(1).lastRound;
        Publication memory publication = Publication(SOME, SOME, root, allocated, 1, 2);
        return _call(
            _server(0),
            abandon
                ? abi.encodeCall(IHearthLedger.abandonRound, (1, round, SOME, root, allocated))
                : abi.encodeCall(IHearthLedger.publishRound, (1, round, publication))
        );
    }

    function _enrol(Enrolment memory enrolment, bytes memory signature) internal returns (bool) {
        Enrolment[] memory enrolments = new Enrolment[](1);
        enrolments[0] = enrolment;
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature;
        return _call(reporter, abi.encodeCall(IHearthTasks.enrol, (enrolments, signatures)));
    }

    function _must(bytes memory call) internal {
        assert(_call(_server(0), call));
    }

    function _call(address sender, bytes memory call) internal returns (bool done) {
        vm.prank(sender);
        (done,) = address(ledger).call(call);
    }
}
