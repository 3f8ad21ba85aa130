// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthJudge} from "interfaces/IHearthJudge.sol";
import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {IHearthTasks} from "interfaces/IHearthTasks.sol";
import {TrapToken} from "./TrapToken.sol";
import {Token, World} from "./World.sol";
import {vm} from "./Vm.sol";

/// @title While any function takes or pays money, no guarded one can be entered: not even a refund that is due
contract ReentryTest is World {
    uint256 private constant _TASK = 2; // the one of the trap
    TrapToken private _trap;

    function test_nothingIsEnteredWhileMoneyMoves() external {
        _build();
        _post(_terms(false), _manufacturer(1));
        vm.warp(block.timestamp + 601);
        bytes memory due = abi.encodeCall(IHearthTasks.refund, (1));
        _trap = new TrapToken();
        token = Token(address(_trap));
        _fund(_manufacturer(0));
        _fund(sponsor);
        _trap.arm(address(ledger), due);

        bytes memory proof = _life();
        assert(_call(reporter, abi.encodeCall(IHearthTasks.dispute, (proof))));
        _springs(reporter, abi.encodeCall(IHearthTasks.withdraw, (_TASK, reporter, reporter)));
        vm.warp(ledger.taskOf(_TASK).taskUntil + 1);
        _springs(reporter, abi.encodeCall(IHearthTasks.refund, (_TASK)));
        _springs(reporter, abi.encodeCall(IHearthTasks.returnBond, (_TASK, _authority(0))));
        vm.warp(ledger.taskOf(_TASK).claimUntil + 1);
        _springs(reporter, abi.encodeCall(IHearthTasks.returnStake, (_TASK, _client(3))));

        assert(_call(reporter, due)); // nothing but the guard kept it from being paid
    }

    /// @return proof Of a breach in round 2, which is open.
    function _life() private returns (bytes memory proof) {
        _springs(_manufacturer(0), abi.encodeCall(IHearthTasks.postTask, (_inTheTrap())));
        _stakes[_TASK] = STAKE;
        for (uint256 i = 0; i < CLIENTS; ++i) _enrol(i);
        for (uint256 i = 0; i < SERVERS; ++i) _bond(_server(i));
        for (uint256 i = 0; i < AUTHORITIES; ++i) _bond(_authority(i));
        vm.warp(block.timestamp + 651);
        _open(1);
        vm.warp(block.timestamp + 2 * 20);
        _act(abi.encodeCall(IHearthLedger.commitBatch, (_TASK, 1, SOME, SOME, 4)));
        vm.warp(block.timestamp + 30 + 1);
        _act(abi.encodeCall(IHearthLedger.requestKey, (_TASK, 1, SOME)));
        Entitlement[] memory entries = new Entitlement[](CLIENTS);
        for (uint256 i = 0; i < CLIENTS; ++i) entries[i] = Entitlement(i, _client(i), REWARD, 3);
        Publication memory publication = Publication(SOME, SOME, _root(_TASK, entries), 4 * REWARD, 1, 2);
        _act(abi.encodeCall(IHearthLedger.publishRound, (_TASK, 1, publication)));
        vm.warp(block.timestamp + 150);
        bytes32[] memory path = _proof(_TASK, entries, 0);
        _springs(reporter, abi.encodeCall(IHearthLedger.claim, (_TASK, entries[0], path)));
        bool[] memory flags = new bool[](3);
        (flags[0], flags[1], flags[2]) = (true, true, true);
        _springs(reporter, abi.encodeCall(IHearthLedger.claimMany, (_TASK, entries, new bytes32[](0), flags)));
        _open(2);
        IHearthJudge.RoundStatement memory one = IHearthJudge.RoundStatement(_TASK, 2, SOME, 0);
        IHearthJudge.RoundStatement memory other = IHearthJudge.RoundStatement(_TASK, 2, 0, 0);
        bytes memory first = _signed(_serverKey(0), _statementHash(one));
        bytes memory second = _signed(_serverKey(0), _statementHash(other));
        return abi.encodeCall(IHearthJudge.twoStatements, (_server(0), one, first, other, second));
    }

    function _enrol(uint256 who) private {
        Enrolment[] memory enrolments = new Enrolment[](1);
        enrolments[0] = _enrolment(_TASK, _client(who), SOME);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _signed(_clientKey(who), _enrolmentHash(enrolments[0]));
        _springs(sponsor, abi.encodeCall(IHearthTasks.enrol, (enrolments, signatures)));
    }

    function _bond(address holder) private {
        _springs(sponsor, abi.encodeCall(IHearthTasks.placeBond, (_TASK, holder)));
    }

    function _open(uint64 round) private {
        _act(abi.encodeCall(IHearthLedger.openRound, (_TASK, round, SOME, SOME, SOME, 4)));
    }

    function _act(bytes memory call) private {
        assert(_call(_server(0), call));
    }

    function _springs(address sender, bytes memory call) private {
        uint256 before = _trap.sprung();
        assert(_call(sender, call));
        assert(_trap.sprung() > before && !_trap.entered());
    }

    function _call(address sender, bytes memory call) private returns (bool done) {
        vm.prank(sender);
        (done,) = address(ledger).call(call);
    }

    /// @dev Nobody is drawn: everybody is to be paid.
    function _inTheTrap() private view returns (TaskTerms memory terms) {
        terms = _terms(true);
        terms.maxCohort = terms.maxClients;
    }
}
