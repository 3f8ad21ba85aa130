"""Drafts over HTTP: what they answer, what they keep, and the call that a signed-in manufacturer gets for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.api.app import ApiOptions
from backend.api.uploads import MAX_UPLOAD_BYTES, MOST_OF_ALL, MOST_OF_ONE, Uploads
from backend.problem import RequestError
from backend.vouchers.issuer import Issuer, key_path
from backend.vouchers.key_file import write_key
from protocol.canonical import decode, encode
from protocol.identifiers import sha256, to_hex
from protocol.messages.task import TaskSpec
from protocol.messages.vouchers import VoucherRequest
from protocol.model.dataset import Examples, encode_examples
from protocol.randomness import SeededRandomness
from protocol.round.planning import terms_of
from storage.content.interface import get_document
from storage.ledger.ethereum.calls import decode_post_task
from storage.ledger.interface import PreparedTransaction
from storage.records.memory import MemoryRecords
from tests.ports.reference_chain import DOMAIN
from tests.unit.backend.api.scene_api import Api, enrolling, played
from tests.unit.backend.api.test_prepared import signed_in
from tests.voucher_keys import KEYS

AUTHORITIES = [to_hex(bytes([number]) * 20) for number in range(1, 6)]
ANSWERS: dict[str, Any] = {
    "kind": "appliances", "title": "Which <b>appliance</b> is it?", "households": 20, "rounds": 10,
    "reward": "10000000000000000", "privacy": "usual", "days": 30, "authorities": AUTHORITIES,
}  # fmt: skip


def asked(api: Api, headers: dict[str, str] | None = None, path: str = "drafts", **changed: Any) -> Any:
    return api.client.post(f"/api/v1/{path}", headers=headers or {}, json={**ANSWERS, **changed})


def a_test_set(classes: int = 10, width: int = 60) -> bytes:
    inputs = np.zeros((classes, 3, 1, width), dtype=np.float32)
    return encode_examples(Examples({"inputs": inputs, "labels": np.arange(classes, dtype=np.int64)}))


def uploaded(api: Api, headers: dict[str, str], data: bytes, name: str = "test-sets") -> Any:
    sent = {**headers, "Content-Type": "application/octet-stream"}
    return api.client.post(f"/api/v1/uploads/{name}", headers=sent, content=data)


def test_a_draft_says_what_it_means_and_keeps_nothing() -> None:
    api = played()
    found = asked(api).json()
    figures = found["figures"]
    assert (found["wrong"], found["signed_in"], found["spec"]) == ([], None, None)
    assert figures["escrow"] == str(10 * (20 * 10**15 + 5 * 10**14 + 5 * 10**14))
    assert figures["reward"] == "10000000000000000" and figures["privacy"]["epsilon_micro"] <= 4_000_000
    assert "epsilon" in figures["privacy"]["sentence"]
    assert figures["post_fee"] == str(api.scene.ledger.fee_wei(figures["post_gas"]))
    assert (figures["smallest_cohort"], figures["expected_cohort"]) == (10, 20)
    assert 'title = "Which <b>appliance</b> is it?"' in found["task_file"]


def test_what_is_wrong_is_an_answer_and_not_a_failure() -> None:
    answer = asked(played(), title="", authorities=AUTHORITIES[:1])
    assert answer.status_code == 200
    assert [one["field"] for one in answer.json()["wrong"]] == ["title", "authorities"]
    assert answer.json()["figures"] is not None and answer.json()["task_file"] is None


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "mind"}, {"rounds": 0}, {"reward": "-1"}, {"households": 1}, {"surprise": 1}, {"own": "x" * 13_000},
        {"test_set": "bafy"}, {"authorities": ["0x12"]}, {"title": "x" * 121},
    ],
)  # fmt: skip
def test_what_no_form_sends_is_refused(changed: dict[str, Any]) -> None:
    answer = asked(played(), **changed)
    assert (answer.status_code, answer.json()["code"]) == (422, "E_REQUEST")


def test_a_misspelt_address_is_said_to_be_one() -> None:
    misspelt = "0x7E5F4552091A69125d5dfcb7b8c2659029395bdf"
    answer = asked(played(), authorities=[misspelt])
    assert answer.status_code == 400 and "misspelt" in answer.json()["detail"]


def test_a_draft_becomes_the_call_that_posts_it() -> None:
    api = enrolling()
    headers = signed_in(api)
    kept = uploaded(api, headers, a_test_set()).json()
    assert (kept["examples"], kept["input_shape"]) == (10, [3, 1, 60])
    assert uploaded(api, headers, a_test_set()).json() == kept
    draft = asked(api, headers, test_set=kept["cid"]).json()
    assert draft["test_set_examples"] == 10 and draft["digest"] == to_hex(sha256(draft["spec"].encode()))
    ready = asked(api, headers, "drafts/prepare", test_set=kept["digest"]).json()
    assert (ready["spec"], ready["digest"]) == (draft["spec"], draft["digest"])
    spec = decode(TaskSpec, ready["spec"].encode())
    call = ready["call"]
    prepared = PreparedTransaction(bytes.fromhex(call["to"][2:]), bytes.fromhex(call["data"][2:]), int(call["value"]))
    assert decode_post_task(prepared) == (terms_of(spec), spec.budget())
    assert call["chain_id"] == DOMAIN.chain_id and spec.edge_server == api.scene.ledger.sender
    for digest in (sha256(ready["spec"].encode()), spec.initial_model, spec.test_set):
        assert get_document(api.scene.store, digest, 2**20)


def test_content_is_looked_at_for_who_is_signed_in_alone() -> None:
    api = enrolling()
    headers = signed_in(api)
    missing, narrow = to_hex(b"\x07" * 32), uploaded(api, headers, a_test_set(width=59)).json()["cid"]
    assert asked(api, test_set=missing).json()["wrong"] == []
    for digest in (missing, narrow):
        found = asked(api, headers, test_set=digest).json()
        assert [one["field"] for one in found["wrong"]] == ["test_set"] and found["spec"] is None
        assert asked(api, headers, "drafts/prepare", test_set=digest).status_code == 422
    assert asked(api, headers, "drafts/prepare").json()["detail"] == "test_set: is missing"
    assert [one["field"] for one in asked(api, headers, initial_model=missing).json()["wrong"]] == ["initial_model"]
    assert asked(api, {}, "drafts/prepare", test_set=missing).json()["code"] == "E_SIGN_IN"


def test_uploads_are_read_before_they_are_kept() -> None:
    api = enrolling()
    headers = signed_in(api)
    assert uploaded(api, headers, b"\x80\x04pickle").json()["code"] == "E_MALFORMED"
    assert uploaded(api, headers, a_test_set(), "models").json()["code"] == "E_MALFORMED"
    assert uploaded(api, headers, bytes(MAX_UPLOAD_BYTES + 1)).json()["code"] == "E_TOO_LARGE"
    assert uploaded(api, {}, a_test_set()).json()["code"] == "E_SIGN_IN"
    weights = encode_examples(Examples({"0.weight": np.zeros((2, 2), dtype=np.float32)}))
    assert uploaded(api, headers, weights, "models").status_code == 201


def test_uploads_of_one_and_of_all_are_counted() -> None:
    now = [0.0]
    uploads = Uploads(lambda: now[0])
    for _ in range(MOST_OF_ONE):
        uploads.count(b"\x01" * 20)
    with pytest.raises(RequestError) as refused:
        uploads.count(b"\x01" * 20)
    assert refused.value.code == "E_RATE"
    for number in range(MOST_OF_ALL - MOST_OF_ONE):
        uploads.count(bytes([100 + number]) * 20)
    with pytest.raises(RequestError):
        uploads.count(b"\xfe" * 20)
    now[0] = 3_600.0
    uploads.count(b"\x01" * 20)


def test_the_description_names_drafts() -> None:
    paths = played().app.openapi()["paths"]
    assert {"/api/v1/drafts", "/api/v1/drafts/prepare", "/api/v1/uploads/test-sets"} <= paths.keys()
    assert json.dumps(paths["/api/v1/drafts"]).count("DraftRequest") == 1


def test_a_voucher_key_of_this_server_goes_into_the_spec(tmp_path: Path) -> None:
    terms = KEYS[0].terms()
    write_key(key_path(tmp_path, terms), KEYS[0], "secret")
    issuer = Issuer(tmp_path, "secret", MemoryRecords(), SeededRandomness(b"issuer"))
    api = Api(enrolling().scene, ApiOptions(issuer=issuer))
    found = asked(api, voucher_key=terms.key.hex()).json()
    assert found["wrong"] == [] and f'modulus = "{to_hex(terms.modulus)}"' in found["task_file"]
    for other in (api, played()):
        found = asked(other, voucher_key="00" * 32).json()
        assert [one["field"] for one in found["wrong"]] == ["voucher_key"] and found["task_file"] is not None
    assert asked(api, voucher_key="no key").status_code == 422


def test_a_task_without_vouchers_redeems_no_code(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path, "secret", MemoryRecords(), SeededRandomness(b"issuer"))
    for api in (played(), Api(enrolling().scene, ApiOptions(issuer=issuer))):
        body = encode(VoucherRequest(bytes(20), bytes(256)))
        answer = api.client.post("/api/v1/tasks/1/vouchers", content=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "E_NOT_FOUND")
        assert api.client.post("/api/v1/tasks/1/vouchers", content=body + b" ").status_code == 400
