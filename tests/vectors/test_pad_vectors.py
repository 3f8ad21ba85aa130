"""PAD/1 as a whole round uses it agrees with every vector; the broken ones give their error and change nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from protocol.encryption.committee import Subset, authority_share, ratchet
from protocol.encryption.graded import Graded
from protocol.encryption.pad import kernels
from protocol.encryption.pad import reference as pad_reference
from protocol.encryption.pad.encoding import PadEncoding
from protocol.encryption.pad.reference import Reference as PadReference
from protocol.encryption.pad.suite import Pad
from protocol.encryption.port import Encoding, Suite
from protocol.encryption.suite import PAD, suite
from protocol.errors import EncryptionError, HearthError
from tests.vectors import write_encryption

GOOD = json.loads((write_encryption.FOLDER / "pad.json").read_text())
BROKEN = json.loads((write_encryption.FOLDER / "pad_broken.json").read_text())
SUITES = {"default": suite(PAD), "reference": Pad(Graded(PadReference(), PadReference))}
Json = dict[str, Any]
every_suite = pytest.mark.parametrize("scheme", SUITES.values(), ids=SUITES)


def every(cases: Sequence[Json]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[f"{c.get('step', '')} {c.get('name', '')}" for c in cases])


def keys_of(case: Json) -> dict[Subset, bytes]:
    return {tuple(map(int, name.split(","))): bytes.fromhex(key) for name, key in case["keys"].items()}


def words_of(text: str, encoding: Encoding, dimension: int, scheme: Suite) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """A sum as the suite keeps it: folded once with weight 1."""
    running = scheme.aggregator(encoding, dimension)
    running.fold(bytes.fromhex(text), 1)
    return running.words


@every_suite
@every(GOOD["known_answers"])
def test_known_answers(scheme: Suite, case: Json) -> None:
    keys, label, nonce, d = keys_of(case), bytes.fromhex(case["label"]), bytes.fromhex(case["nonce"]), case["dimension"]
    encoding = scheme.encoding_for(17, case["width"])  # the ramp begins one below what fits 16 bits
    body = scheme.encrypt(keys, label, nonce, 6 * np.arange(d, dtype=np.int64) % 65536 - 32768, encoding, bytes(32))
    assert hashlib.sha256(body).hexdigest() == case["ciphertext_sha256"]
    for number, expected in case["shares_sha256"].items():
        entries = [(authority_share(keys, int(number)), nonce, 1)]
        share = scheme.partial_key(int(number), case["members"], case["threshold"], label, entries, encoding, d)
        assert hashlib.sha256(share).hexdigest() == expected


@every_suite
@every(GOOD["rounds"])
def test_rounds(scheme: Suite, case: Json) -> None:
    m, t, d, label = case["members"], case["threshold"], case["dimension"], bytes.fromhex(case["label"])
    encoding = scheme.encoding_for(case["bits"], case["width"])
    running, weights = scheme.aggregator(encoding, d), [client["weight"] for client in case["clients"]]
    for client in case["clients"]:
        values, nonce = np.array(client["values"], np.int64), bytes.fromhex(client["nonce"])
        body = scheme.encrypt(keys_of(client), label, nonce, values, encoding, bytes(32))
        assert body.hex() == client["ciphertext"]
        running.fold(body, client["weight"])
    assert np.array_equal(running.words, words_of(case["sum"], encoding, d, scheme))
    for number, expected in case["sum_keys"].items():
        j = int(number)
        entries = [
            (authority_share(keys_of(client), j), bytes.fromhex(client["nonce"]), client["weight"])
            for client in case["clients"]
        ]
        assert scheme.partial_key(j, m, t, label, entries, encoding, d).hex() == expected
    answers = {int(j): bytes.fromhex(key) for j, key in case["sum_keys"].items()}
    for quorum in (list(answers)[:t], list(answers)[-t:], list(answers)):
        key = scheme.combine({j: answers[j] for j in quorum}, m, t, encoding, d)
        assert key.hex() == case["key"]
    assert scheme.decrypt(running.words, label, key, encoding, d, weights).sums.tolist() == case["decrypted"]


@every(GOOD["ratchet"])
def test_ratchet(case: Json) -> None:
    assert ratchet({(1,): bytes.fromhex(case["key"])}, case["steps"]) == {(1,): bytes.fromhex(case["result"])}


@every(GOOD["budgets"])
def test_budgets(case: Json) -> None:
    PadEncoding(case["bits"], case["width"]).check_budget(case["weights"])


def _sampled_by_reference(case: Json, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    data = bytes.fromhex(case["stream"])
    monkeypatch.setattr(pad_reference, "ctr_stream", lambda key, size, offset: data[offset : offset + size])
    words: list[int] = pad_reference.stream(bytes(32), case["dimension"], PadEncoding(8, case["width"])).tolist()
    return words


def _sampled_by_kernel(case: Json, _: pytest.MonkeyPatch) -> list[int]:
    item, add = {4: ("<u4", kernels.add_stream_4), 6: ("<u2", kernels.add_stream_6)}[case["width"]]
    total = np.zeros(case["dimension"], np.int64)
    if add(np.frombuffer(bytearray.fromhex(case["stream"]), item), 1, total):
        raise EncryptionError("the kernel says so", code="E_SAMPLER")
    words: list[int] = total.tolist()
    return words


every_sampler = pytest.mark.parametrize("sampled", [_sampled_by_reference, _sampled_by_kernel])


@every_sampler
@every(GOOD["samplers"])
def test_samplers(case: Json, sampled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sampled(case, monkeypatch) == case["words"]


def _encoding(case: Json, scheme: Suite) -> Encoding:
    return scheme.encoding_for(case["bits"], case["width"])


def _fold(case: Json, scheme: Suite) -> None:
    running = scheme.aggregator(_encoding(case, scheme), case["dimension"])
    before = running.words
    try:
        running.fold(bytes.fromhex(case["body"]), case["weight"])
    finally:
        assert np.array_equal(running.words, before), "something was added"


def _combine(case: Json, scheme: Suite) -> object:
    answers = {int(j): bytes.fromhex(data) for j, data in case["answers"].items()}
    encoding = _encoding(case, scheme)
    return scheme.combine(answers, case["members"], case["threshold"], encoding, case["dimension"])


def _decrypt(case: Json, scheme: Suite) -> object:
    encoding = _encoding(case, scheme)
    words = words_of(case["sum"], encoding, case["dimension"], scheme)
    key, weights = bytes.fromhex(case["key"]), case["weights"]
    return scheme.decrypt(words, bytes(32), key, encoding, case["dimension"], weights)


STEPS: dict[str, Callable[[Json, Suite], object]] = {
    "fold": _fold,
    "combine": _combine,
    "decrypt": _decrypt,
    "budget": lambda case, scheme: _encoding(case, scheme).check_budget(case["weights"]),
}


@every_suite
@every([case for case in BROKEN["cases"] if case["step"] != "sampler"])
def test_broken(scheme: Suite, case: Json) -> None:
    with pytest.raises(HearthError) as caught:
        STEPS[case["step"]](case, scheme)
    assert caught.value.code == case["error"]


@every_sampler
@every([case for case in BROKEN["cases"] if case["step"] == "sampler"])
def test_broken_samplers(case: Json, sampled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HearthError) as caught:
        sampled(case, monkeypatch)
    assert caught.value.code == case["error"]
