// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthEvents} from "interfaces/IHearthEvents.sol";
import {Handler} from "./Handler.sol";

/// @title The handler gets everywhere: an invariant over calls that are all refused would say nothing
contract ReachTest {
    uint256 private constant _WALKS = 40;
    uint256 private constant _STEPS = 120;

    mapping(bytes32 topic => uint256) private _seen;

    error NeverHappened(uint256 place);

    function test_everyEventHappens() external {
        bytes32[25] memory topics = [
            IHearthEvents.TaskPosted.selector,
            IHearthEvents.Enrolled.selector,
            IHearthEvents.Left.selector,
            IHearthEvents.RoundOpened.selector,
            IHearthEvents.BatchCommitted.selector,
            IHearthEvents.DirectCommitted.selector,
            IHearthEvents.ScreeningRequested.selector,
            IHearthEvents.KeyRequested.selector,
            IHearthEvents.RoundPublished.selector,
            IHearthEvents.RoundAbandoned.selector,
            IHearthEvents.RoundExpired.selector,
            IHearthEvents.Claimed.selector,
            IHearthEvents.StakeReturned.selector,
            IHearthEvents.BondPlaced.selector,
            IHearthEvents.BondReturned.selector,
            IHearthEvents.RoundFrozen.selector,
            IHearthEvents.BondForfeited.selector,
            IHearthEvents.Credited.selector,
            IHearthEvents.Withdrawn.selector,
            IHearthEvents.TakenOver.selector,
            IHearthEvents.RosterPosted.selector,
            IHearthEvents.Refunded.selector,
            IHearthEvents.Compensated.selector,
            IHearthEvents.CohortDrawn.selector,
            IHearthEvents.DrawLapsed.selector
        ];
        for (uint256 walk = 0; walk < _WALKS; ++walk) {
            Handler handler = new Handler();
            for (uint256 step = 0; step < _STEPS; ++step) _act(handler, uint256(keccak256(abi.encode(walk, step))));
            handler.roundsAreAsTheEventsSay();
            for (uint256 i = 0; i < topics.length; ++i) _seen[topics[i]] += handler.seen(topics[i]);
        }
        for (uint256 i = 0; i < topics.length; ++i) if (_seen[topics[i]] == 0) revert NeverHappened(i);
    }

    function _act(Handler handler, uint256 dice) private {
        (uint256 a, uint256 b, uint256 c, uint256 d) =
            (uint64(dice), uint64(dice >> 64), uint64(dice >> 128), uint64(dice >> 192) >> 8);
        uint256 action = (dice >> 248) % 23;
        if (action == 0) handler.post(a);
        if (action == 1) handler.enrol(a, b, c);
        if (action == 2) handler.leave(a, b);
        if (action == 3) handler.placeBond(a, b);
        if (action == 4) handler.open(a, b, c, d);
        if (action == 5) handler.commitBatch(a, b, c, d);
        if (action == 6) handler.commitDirect(a, b);
        if (action == 7) handler.requestKey(a, b, c);
        if (action == 8) handler.settle(a, b, c, c >> 32, d, (d >> 8) % 2 == 0);
        if (action == 9) handler.expire(a, b);
        if (action == 10) handler.claim(a, b, c);
        if (action == 11) handler.claimMany(a, b, c);
        if (action == 12) handler.dispute(a, b, c, d);
        if (action == 13) handler.refund(a);
        if (action == 14) handler.returnBond(a, b);
        if (action == 15) handler.returnStake(a, b);
        if (action == 16) handler.wait(a, b);
        if (action == 17) handler.ban(a, b % 2 == 0);
        if (action == 18) handler.withdraw(a, b, c);
        if (action == 19) handler.postRoster(a, b, c, d);
        if (action == 20) handler.draw(a, b, c);
        if (action == 21) handler.compensate(a, b, c, d);
        if (action == 22) handler.requestScreening(a, b, c, d);
    }
}
