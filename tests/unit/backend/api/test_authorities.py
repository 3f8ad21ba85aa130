"""What is said of the committee: the chain's words, and when a member last answered."""

from __future__ import annotations

from backend.api.app import ApiOptions
from backend.rounds.authority_health import AuthorityHealth
from protocol.errors import HearthError
from protocol.identifiers import to_hex
from tests.unit.backend.api.scene_api import Api, enrolling, played
from tests.unit.backend.rounds.scene_committee import authority

PATH = "/api/v1/tasks/1/authorities"


def test_the_last_answers() -> None:
    now = [1_800_000_000]
    health = AuthorityHealth(lambda: now[0])
    api = Api(played().scene, ApiOptions(health=health.all))
    health.heard(authority(1).address, None)
    health.heard(authority(2).address, None)
    now[0] += 60
    health.heard(authority(2).address, HearthError("http://10.1.2.3: away", code="E_AUTHORITY"))
    answer = api.client.get(PATH)
    found = answer.json()
    assert (found["threshold"], found["corrupt"], "10.1.2.3" in answer.text) == (2, 0, False)
    first, second, third = found["members"]
    assert [one["address"] for one in found["members"]] == [to_hex(authority(j).address) for j in (1, 2, 3)]
    assert (first["last_answer"], first["last_failure"], first["code"]) == ("2027-01-15T08:00:00Z", None, None)
    assert (second["last_answer"], second["last_failure"], second["code"]) == (
        "2027-01-15T08:00:00Z",
        "2027-01-15T08:01:00Z",
        "E_AUTHORITY",
    )
    assert (third["last_answer"], third["last_failure"], third["last_roster"], third["dismissed"]) == (
        None,
        None,
        0,
        False,
    )
    health.heard(authority(2).address, None)
    assert api.client.get(PATH).json()["members"][1]["code"] is None


def test_a_convicted_one_is_dismissed() -> None:
    api = enrolling()
    api.scene.convict(2)
    api.scene.step()
    assert [one["dismissed"] for one in api.client.get(PATH).json()["members"]] == [False, True, False]


def test_of_no_task() -> None:
    assert played().client.get("/api/v1/tasks/7/authorities").json()["code"] == "E_NOT_FOUND"
