"""Transactions for a wallet: those that the ledger takes, for whoever may send them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.canonical import encode
from protocol.identifiers import sha256, to_hex
from protocol.messages.keys import SUM, SignedSighting
from protocol.round.planning import terms_of
from protocol.round.sightings import sighting
from storage.ledger.ethereum.calls import decode_post_task, encode_call
from storage.ledger.interface import PreparedTransaction
from storage.ledger.proofs import two_sightings
from tests.ports.reference_chain import DOMAIN
from tests.samples import private_key
from tests.unit.backend.api.scene_api import Api, enrolling, played
from tests.unit.backend.api.test_sign_in import enter
from tests.unit.backend.rounds.scene_committee import authority


def signed_in(api: Api, role: str = "manufacturer") -> dict[str, str]:
    api.client.base_url = "http://127.0.0.1:8000"
    token = enter(api, private_key(role)).json()["token"]
    api.client.cookies.clear()
    return {"Authorization": f"Bearer {token}"}


def post(api: Api, name: str, headers: dict[str, str], **sent: Any) -> Any:
    return api.client.post(f"/api/v1/transactions/{name}", headers=headers, **sent)


def test_a_post_is_the_spec_that_was_sent() -> None:
    api = enrolling()
    spec = replace(api.scene.spec, title="another one")
    answer = post(api, "post", signed_in(api), content=encode(spec))
    found = answer.json()
    call = PreparedTransaction(bytes.fromhex(found["to"][2:]), bytes.fromhex(found["data"][2:]), int(found["value"]))
    assert decode_post_task(call) == (terms_of(spec), spec.budget())
    assert (found["to"], found["chain_id"]) == (to_hex(DOMAIN.ledger), DOMAIN.chain_id)
    assert found["spec"] == to_hex(sha256(encode(spec)))
    same = api.client.post("/api/v1/tasks/prepare", content=encode(spec)).json()
    assert (same["data"], str(same["value_wei"])) == (found["data"], found["value"])
    assert post(api, "post", signed_in(api), content=b"{}").status_code == 400


def test_a_refund_is_for_the_manufacturer_and_for_something() -> None:
    api = enrolling()
    mine, other = signed_in(api), signed_in(api, "somebody")
    early = post(api, "refund", mine, json={"task": 1})
    assert (early.status_code, early.json()["code"]) == (409, "E_NOTHING")
    api.scene.pass_time_to(api.scene.ledger.task(1).claim_until + 1)
    api.scene.step()
    found = post(api, "refund", mine, json={"task": 1}).json()
    assert (found["data"], found["value"], found["spec"]) == (to_hex(encode_call("refund", 1)), "0", None)
    refused = post(api, "refund", other, json={"task": 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "E_NOT_YOURS")
    assert post(api, "refund", mine, json={"task": 2}).status_code == 404
    assert post(api, "refund", mine, json={"task": 0}).status_code == 422


def test_a_dispute_carries_a_proof_that_the_judge_knows() -> None:
    api = played()
    said = [sighting(1, 1, SUM, bytes(32), bytes([seen]) * 32, authority(1).address) for seen in (1, 2)]
    proof = two_sightings(*(SignedSighting(word, authority(1).sign(DOMAIN, word)) for word in said))
    headers = signed_in(api, "somebody")
    found = post(api, "dispute", headers, json={"proof": to_hex(proof)}).json()
    assert found["data"] == to_hex(encode_call("dispute", proof))
    assert post(api, "dispute", headers, json={"proof": "0x01020304"}).json()["code"] == "E_MALFORMED"
    assert post(api, "dispute", headers, json={"proof": "0x"}).status_code == 422


@pytest.mark.parametrize("name", ["post", "refund", "dispute"])
def test_nothing_is_prepared_for_nobody(name: str) -> None:
    for headers in ({}, {"Authorization": "Bearer 00"}, {"Authorization": "Basic 00"}, {"Cookie": "hearth_session=00"}):
        answer = post(played(), name, headers, json={"task": 1})
        assert (answer.status_code, answer.json()["code"]) == (401, "E_SIGN_IN")


def test_the_fee_is_what_the_server_would_offer() -> None:
    api = played()
    found = api.client.get("/api/v1/fees?gas=500000").json()
    assert found == {"gas": 500_000, "fee": str(api.scene.ledger.fee_wei(500_000))}
