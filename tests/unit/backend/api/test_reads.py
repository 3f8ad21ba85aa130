"""What the public part of the API says of a played task is what chain and documents say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.canonical import decode, encode
from protocol.identifiers import to_hex
from protocol.messages.settlement import Allocation
from protocol.messages.task import TaskSpec
from protocol.round.planning import terms_of
from tests.unit.backend.api.scene_api import Api, enrolling, played
from tests.unit.backend.rounds.scene_committee import CLIENTS

TASK = "/api/v1/tasks/1"


def get(api: Api, path: str, status: int = 200) -> Any:
    answer = api.client.get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_task() -> None:
    api = played()
    found, spec = get(api, f"{TASK}/details"), api.scene.spec
    assert (found["task"], found["title"], found["state"], found["service"]) == (1, spec.title, "ended", "served")
    assert (found["rounds"], found["published"], found["max_rounds"], found["enrolled"]) == (2, 2, 2, 3)
    assert found["escrow"] == str(spec.budget())
    assert found["servers"][0] == {
        "address": to_hex(spec.edge_server),
        "acting": True,
        "dismissed": False,
        "bond": str(api.scene.ledger.bond(1, spec.edge_server).amount),
    }
    record = api.scene.record(2)
    assert found["privacy"]["sentence"] == str(record.charge.figure)
    assert found["score"] == {"correct": record.correct, "examples": record.examples}
    assert found["agreed"]["parameters"] == 21
    assert found["enrol_until"].endswith("Z")


def test_the_spec_is_the_one_on_chain() -> None:
    answer = played().client.get(f"{TASK}/spec")
    assert decode(TaskSpec, answer.content) == played().scene.spec


def test_what_somebody_wrote_reaches_no_terminal_raw() -> None:
    api = enrolling()
    title = "\u202eevil \u00e4"
    spec = replace(api.scene.spec, title=title)
    api.scene.store.put(encode(spec))
    api.scene.bank.post_task(terms_of(spec), spec.budget())
    api.scene.until(lambda: api.client.get("/api/v1/tasks/2/details").json().get("agreed"))
    for path in ("/api/v1/tasks", "/api/v1/tasks/2/details"):
        answer = api.client.get(path)
        assert answer.content.isascii()
    assert answer.json()["title"] == title


def test_rounds() -> None:
    api = played()
    first, second = get(api, f"{TASK}/rounds")["items"]
    assert get(api, f"{TASK}/rounds/2") == second
    assert (first["round"], first["state"], first["outcome"], first["cohort"]) == (1, "published", "published", 3)
    assert (first["committed"], first["accepted"], first["rejected"]) == (3, 3, [])
    assert second["model"] == to_hex(api.scene.record(2).model)
    assert second["allocated"] == str(sum(api.scene._owed().values()))
    assert first["transactions"]["opened"] == to_hex(api.scene.facts(1).opened.transaction)
    assert get(api, f"{TASK}/rounds/3", 404)["code"] == "E_NOT_FOUND"


def test_clients() -> None:
    api = played()
    page = get(api, f"{TASK}/clients")
    assert [one["address"] for one in page["items"]] == sorted(to_hex(signer.address) for signer in CLIENTS)
    allocation = api.scene.state.allocation(2)
    assert isinstance(allocation, Allocation)
    leaves = {to_hex(leaf.client): leaf for leaf in allocation.entitlements}
    for one in page["items"]:
        leaf = leaves[one["address"]]
        assert (one["earned"], one["payable"]) == (str(leaf.cumulative), str(leaf.cumulative))
        assert (one["planned"], one["committed"], one["accepted"], one["reputation"]) == (2, 2, 2, leaf.reputation)
        assert get(api, f"{TASK}/clients/{one['address']}") == one
    assert get(api, f"{TASK}/clients/0x{'ab' * 20}", 404)["code"] == "E_NOT_FOUND"


def test_money_is_that_of_the_ledger() -> None:
    api = enrolling()
    scene = api.scene
    scene.submit(1)
    scene.until(lambda: scene.facts(1).ended)
    scene.step()
    waiting = get(api, f"{TASK}/money")
    assert int(waiting["rewards"]["disputable"]) == int(waiting["rewards"]["allocated"]) > 0
    scene.chain.pass_time(scene.spec.durations.dispute_seconds)
    scene.desk.claim(CLIENTS[0].address)
    scene.until(lambda: scene.state.claims)
    scene.step()
    found, view = get(api, f"{TASK}/money"), scene.ledger.task(1)
    assert (found["held"], found["rewards"]["claimed"]) == (str(view.escrow), str(view.claimed))
    assert found["rewards"]["payable"] == str(view.payable(scene.ledger.now())[1])
    held = [*found["bonds"], {"amount": found["stakes"]}, *found["credits"]]
    assert sum(int(one["amount"]) for one in held) == view.deposits
    assert found["refundable"] == "0"
    fees = scene.fees()
    assert found["fees"]["edge_servers"] == str(fees.get(scene.signer.address, 0))
    assert sum(map(int, found["fees"].values())) == sum(fees.values())


def test_what_is_refundable_is_what_a_refund_pays() -> None:
    api = enrolling()
    scene = api.scene
    scene.submit(1)
    scene.until(lambda: scene.facts(1).ended)
    for instant in (scene.ledger.task(1).task_until, scene.ledger.task(1).claim_until):
        scene.pass_time_to(instant + 1)
        scene.until(lambda: scene.state.current is None)
        scene.step()
        promised, before = int(get(api, f"{TASK}/money")["refundable"]), scene.ledger.task(1).escrow
        assert promised > 0
        scene.bank.refund(1)
        assert before - scene.ledger.task(1).escrow == promised
        scene.step()
        assert get(api, f"{TASK}/money")["refundable"] == "0"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 1),
        ("state=ended", 1),
        ("state=running", 0),
        ("service=served", 1),
        (f"manufacturer=0x{'ab' * 20}", 0),
        (f"edge_server=0x{'ab' * 20}", 0),
        ("cursor=1", 0),
        ("cursor=2", 1),
    ],
)
def test_the_list_of_tasks(query: str, count: int) -> None:
    assert len(get(played(), f"/api/v1/tasks?{query}")["items"]) == count


@pytest.mark.parametrize("query", ["state=odd", "limit=0", "limit=201", "cursor=a", "cursor=0", "manufacturer=0xAB"])
def test_a_filter_that_means_nothing_is_a_problem(query: str) -> None:
    assert get(played(), f"/api/v1/tasks?{query}", 422)["code"] == "E_REQUEST"


def test_filters_by_address() -> None:
    task = get(played(), f"{TASK}/details")
    for name in ("manufacturer", "edge_server"):
        assert len(get(played(), f"/api/v1/tasks?{name}={task[name]}")["items"]) == 1


def test_a_task_of_somebody_else_is_not_here() -> None:
    for path in ("details", "spec", "rounds", "clients", "money"):
        assert get(played(), f"/api/v1/tasks/2/{path}", 404)["code"] == "E_NOT_FOUND"


def test_pages_together_are_the_list() -> None:
    for path in (f"{TASK}/rounds", f"{TASK}/clients"):
        whole, pieces, cursor = get(played(), path), [], ""
        while True:
            page = get(played(), f"{path}?limit=1{cursor}")
            pieces += page["items"]
            assert len(page["items"]) == 1
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert pieces == whole["items"] and whole["next"] is None


def test_an_answer_that_is_known_is_not_sent_again() -> None:
    api = enrolling()
    for path in ("/api/v1/tasks", f"{TASK}/details", f"{TASK}/rounds", f"{TASK}/clients", f"{TASK}/money"):
        first = api.client.get(path)
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = api.client.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert api.client.get(path, headers={"If-None-Match": '"other"'}).content == first.content
    before = api.client.get(f"{TASK}/rounds").headers["etag"]
    api.scene.announced(1)
    assert api.client.get(f"{TASK}/rounds", headers={"If-None-Match": before}).status_code == 200
