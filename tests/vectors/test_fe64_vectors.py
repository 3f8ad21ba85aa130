"""FE64-A/1 agrees with every vector; the broken ones give their error and change nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from protocol.encryption.committee import Subset, authority_share
from protocol.encryption.fe64.encoding import Fe64Encoding, residual_bound
from protocol.encryption.fe64.functional_key import decode_key, key_bytes
from protocol.encryption.fe64.reference import Reference
from protocol.encryption.fe64.ring import PRIMES, inverse_ntt, multiply, public_block, switch_to_words
from protocol.encryption.fe64.suite import Fe64
from protocol.encryption.graded import Graded
from protocol.encryption.shares import derive
from protocol.encryption.suite import FE64, suite
from protocol.errors import HearthError
from tests.vectors import write_encryption

GOOD = json.loads((write_encryption.FOLDER / "fe64.json").read_text())
BROKEN = json.loads((write_encryption.FOLDER / "fe64_broken.json").read_text())
ROUNDS = {case["name"]: case for case in GOOD["rounds"]}
SUITES = {"default": suite(FE64), "reference": Fe64(Graded(Reference(), Reference))}
Json = dict[str, Any]
every_suite = pytest.mark.parametrize("scheme", SUITES.values(), ids=SUITES)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def keys_of(client: Json) -> dict[Subset, bytes]:
    return {tuple(map(int, name.split(","))): bytes.fromhex(key) for name, key in client["keys"].items()}


def weights_of(runs: Sequence[tuple[int, int]]) -> list[int]:
    return [weight for weight, count in runs for _ in range(count)]


def partial_keys(scheme: Fe64, case: Json) -> dict[int, bytes]:
    m, t, d, label = case["members"], case["threshold"], case["dimension"], bytes.fromhex(case["label"])
    encoding, answers = scheme.encoding_for(case["bits"], case["fields"]), {}
    for j in range(1, m + 1):
        entries = [
            (authority_share(keys_of(client), j), bytes.fromhex(client["nonce"]), client["weight"])
            for client in case["clients"]
        ]
        answers[j] = scheme.partial_key(j, m, t, label, entries, encoding, d)
    return answers


def summed(case: Json) -> npt.NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex(case["sum"]), "<u8").astype(np.uint64)


def test_known_answer() -> None:
    case, arithmetic = GOOD["known_answer"], Reference()
    label, key, nonce = (bytes.fromhex(case[name]) for name in ("label", "key", "nonce"))
    secret = arithmetic.expand_sum([derive(key, b"FE64/s", label, nonce)], [1])
    assert secret[:, 0].tolist() == case["secret_first_words"]
    assert sha(key_bytes(secret)) == case["secret_sha256"]
    assert [sha(key_bytes(public_block(label, t))) for t in (0, 1)] == case["public_block_sha256"]
    words = switch_to_words(inverse_ntt(multiply(public_block(label, 1), secret)))
    assert [f"{word:016x}" for word in words[:3]] == case["mask_of_block_1_first_words"]
    assert sha(words.astype("<u8").tobytes()) == case["mask_of_block_1_sha256"]


@every_suite
@pytest.mark.parametrize("case", GOOD["rounds"], ids=ROUNDS)
def test_rounds(scheme: Fe64, case: Json) -> None:
    m, t, d, label = case["members"], case["threshold"], case["dimension"], bytes.fromhex(case["label"])
    encoding = scheme.encoding_for(case["bits"], case["fields"])
    running, weights = scheme.aggregator(encoding, d), [client["weight"] for client in case["clients"]]
    for client in case["clients"]:
        derived = [derive(key, b"FE64/s", label, bytes.fromhex(client["nonce"])) for key in keys_of(client).values()]
        secret = scheme.arithmetic.for_words(0).expand_sum(derived, [1] * len(derived))
        assert sha(key_bytes(secret)) == client["secret_sha256"]
        body = scheme.arithmetic.for_words(0).encrypt(
            secret, label, np.array(client["values"], np.int64), encoding, None
        )
        assert body.hex() == client["ciphertext"]
        running.fold(body, client["weight"])
    assert np.array_equal(running.words, summed(case))
    answers = partial_keys(scheme, case)
    assert {str(j): sha(answer) for j, answer in answers.items()} == case["partial_keys_sha256"]
    for quorum in (list(answers)[:t], list(answers)[-t:], list(answers)):
        key = scheme.combine({j: answers[j] for j in quorum}, m, t, encoding, d)
        assert sha(key) == case["functional_key_sha256"]
    assert scheme.decrypt(running.words, label, key, encoding, d, weights).sums.tolist() == case["decrypted"]


@pytest.mark.parametrize("case", GOOD["budgets"])
def test_budgets(case: Json) -> None:
    weights = weights_of(case["weights"])
    Fe64Encoding(case["bits"], case["fields"]).check_budget(weights)
    assert residual_bound(weights) == case["residual_bound"]


def _resized(data: bytes, size: int) -> bytes:
    return (data + bytes(size))[:size]


def _with_residue(data: bytes, change: Json) -> bytes:
    key, limb, position = decode_key(data), change["limb"], change["position"]
    moved = (int(key[limb, position]) + change["add"]) % PRIMES[limb] if "add" in change else 0
    key[limb, position] = change.get("set", moved)
    return key_bytes(key)


def _fold(scheme: Fe64, case: Json, change: Json) -> None:
    running = scheme.aggregator(scheme.encoding_for(case["bits"], case["fields"]), case["dimension"])
    body = bytes.fromhex(case["clients"][0]["ciphertext"])
    try:
        running.fold(_resized(body, change.get("body_bytes", len(body))), change.get("weight", 1))
    finally:
        assert not running.words.any(), "something was added"


def _combine(scheme: Fe64, case: Json, change: Json) -> object:
    answers, lie = partial_keys(scheme, case), change.get("answers")
    chosen = {j: answers[j] for j in change.get("from_members", range(1, case["threshold"] + 1))}
    if lie is not None:
        chosen[lie["member"]] = _with_residue(chosen[lie["member"]], lie)
    if "answer_bytes" in change:
        chosen[1] = _resized(chosen[1], change["answer_bytes"])
    shape = case | change
    encoding = scheme.encoding_for(case["bits"], case["fields"])
    return scheme.combine(chosen, case["members"], shape["threshold"], encoding, case["dimension"])


def _decrypt(scheme: Fe64, case: Json, change: Json) -> object:
    encoding = scheme.encoding_for(case["bits"], case["fields"])
    d, m, t = (case[name] for name in ("dimension", "members", "threshold"))
    key = scheme.combine(partial_keys(scheme, case), m, t, encoding, d)
    if "key" in change:
        key = _with_residue(key, change["key"])
    key = _resized(key, change.get("key_bytes", len(key)))
    label = bytes.fromhex((case | change)["label"])
    weights = change.get("weights", [client["weight"] for client in case["clients"]])
    return scheme.decrypt(summed(case), label, key, encoding, d, weights)


STEPS: dict[str, Callable[[Fe64, Json, Json], object]] = {"fold": _fold, "combine": _combine, "decrypt": _decrypt}


@every_suite
@pytest.mark.parametrize("case", BROKEN["cases"], ids=[f"{c['step']} {c['name']}" for c in BROKEN["cases"]])
def test_broken(scheme: Fe64, case: Json) -> None:
    with pytest.raises(HearthError) as caught:
        if case["step"] == "budget":
            scheme.encoding_for(case["bits"], case["fields"]).check_budget(weights_of(case["weights"]))
        else:
            STEPS[case["step"]](scheme, ROUNDS[case["round"]], case["change"])
    assert caught.value.code == case["error"]
