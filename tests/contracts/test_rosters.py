"""postRoster, and what openRound waits for.

given a task with three authorities and windows of two rounds
    when an authority posts before the deadline of a window that comes next
        should emit RosterPosted and note the window, once
    when anybody else posts, or for another window, or late, or with more bytes than run lengths of the clients take
        should refuse
    when the first round of a window is opened
        should wait for all rosters or for their deadline
    when another round is opened
        should wait for none
"""

from __future__ import annotations

import pytest

from protocol.cohort import sum_of
from storage.ledger.signer import Signer
from tests.contracts.scene import PLAN, Scene, label_of
from tests.samples import private_key

AUTHORITIES = [Signer(private_key("authority", number)) for number in (1, 2, 3)]
HELD, REFUSED = bytes.fromhex("00010101"), bytes.fromhex("0101")  # of three: the first and the last; the second


def with_money(scene: Scene) -> Scene:
    for authority in AUTHORITIES:
        scene.ledger.transact(scene.ledger.faucet, authority.address, b"", 10**18)
    return scene


def post(scene: Scene, authority: Signer, window: int = 0) -> dict[str, object]:
    return scene.by(authority, "postRoster", 1, window, HELD, REFUSED).sole()


def refusal(scene: Scene, sender: Signer, window: int = 0, held: bytes = HELD, refused: bytes = b"") -> object:
    return scene.ledger.refusal(sender, "postRoster", 1, window, held, refused)


def open_call(scene: Scene, number: int) -> tuple[object, ...]:
    return number, PLAN, label_of(number), sum_of(scene.cohort()).root, 3


@pytest.fixture
def rostered(deployed: Scene) -> Scene:
    with_money(deployed).post(roster_rounds=2, max_clients=9)
    deployed.enrol(*deployed.clients)
    return deployed


def test_should_take_a_roster_of_each_authority_once(rostered: Scene) -> None:
    for authority in AUTHORITIES:
        event = post(rostered, authority)
        assert event == {
            "event": "RosterPosted", "task": 1, "window": 0, "authority": authority.address, "held": HELD,
            "refused": REFUSED,
        }  # fmt: skip
        assert rostered.ledger.view("bondOf", 1, authority.address)[4] == 1
        assert refusal(rostered, authority) == ("RosterUnexpected", 1, 0, 1)


def test_should_refuse_every_other_party(rostered: Scene) -> None:
    ledger = rostered.ledger
    for sender in (ledger.edge, ledger.manufacturer, ledger.stranger, rostered.clients[0]):
        assert refusal(rostered, sender) == ("NotAuthority", sender.address)


def test_should_refuse_every_other_window(rostered: Scene) -> None:
    assert refusal(rostered, AUTHORITIES[0], 1) == ("RosterUnexpected", 1, 1, 0)
    rostered.open(1)
    for window in (0, 1):
        assert refusal(rostered, AUTHORITIES[0], window) == ("RosterUnexpected", 1, window, 0)
    rostered.request(1)
    rostered.publish(1)
    rostered.open(2)
    assert refusal(rostered, AUTHORITIES[0], 0) == ("RosterUnexpected", 1, 0, 0)
    post(rostered, AUTHORITIES[0], 1)  # while its last round runs, too


def test_should_refuse_more_bytes_than_run_lengths_of_the_clients_take(rostered: Scene) -> None:
    enrolled = len(rostered.clients)
    most, more = b"\1" * (enrolled + 1), b"\1" * (enrolled + 2)
    for held, refused in ((more, b""), (b"", more)):
        assert refusal(rostered, AUTHORITIES[0], 0, held, refused) == ("RosterUnexpected", 1, 0, 0)
    rostered.by(AUTHORITIES[0], "postRoster", 1, 0, most, most)


@pytest.mark.parametrize("late", [False, True])
def test_should_take_rosters_until_their_deadline(rostered: Scene, late: bool) -> None:
    until = rostered.ledger.task_view(1).enrol_until + rostered.terms.roster_seconds
    rostered.ledger.pass_to(until + late)
    if late:
        assert refusal(rostered, AUTHORITIES[0]) == ("TooLate", until)
    else:
        post(rostered, AUTHORITIES[0])


@pytest.mark.parametrize("posted", [0, 2, 3])
def test_should_open_a_window_when_all_are_there_or_it_is_too_late_for_them(rostered: Scene, posted: int) -> None:
    ledger, call = rostered.ledger, open_call(rostered, 1)
    for authority in AUTHORITIES[:posted]:
        post(rostered, authority)
    rostered.pass_after(ledger.task_view(1).enrol_until)
    if posted < len(AUTHORITIES):
        until = ledger.task_view(1).enrol_until + rostered.terms.roster_seconds
        assert rostered.edge_refusal("openRound", *call) == ("TooEarly", until)
        ledger.pass_to(until)
        assert rostered.edge_refusal("openRound", *call) == ("TooEarly", until)
        ledger.pass_to(until + 1)
    rostered.by_edge("openRound", *call)


@pytest.mark.parametrize("posted", [0, 3])
def test_should_begin_the_next_window_with_rosters_of_its_own(rostered: Scene, posted: int) -> None:
    """Those of the first window are none of the second: the round within a window waits for nothing."""
    for authority in AUTHORITIES:
        post(rostered, authority)
    rostered.pass_after(rostered.ledger.task_view(1).enrol_until)
    for number in (1, 2):
        rostered.by_edge("openRound", *open_call(rostered, number))
        rostered.request(number)
        rostered.publish(number)
    for authority in AUTHORITIES[:posted]:
        post(rostered, authority, 1)
    until = rostered.ledger.round_view(1, 2).settle_until + rostered.terms.roster_seconds
    if not posted:
        assert rostered.edge_refusal("openRound", *open_call(rostered, 3)) == ("TooEarly", until)
        rostered.ledger.pass_to(until + 1)
    rostered.by_edge("openRound", *open_call(rostered, 3))


def test_should_not_wait_for_enrolment_when_the_task_is_full(deployed: Scene) -> None:
    with_money(deployed).post(max_clients=3)
    deployed.enrol(*deployed.clients)
    deployed.ledger.pass_to(deployed.ledger.now + 1)
    assert deployed.edge_refusal("openRound", *open_call(deployed, 1))[0] == "TooEarly"
    for authority in AUTHORITIES:
        post(deployed, authority)
    deployed.by_edge("openRound", *open_call(deployed, 1))
