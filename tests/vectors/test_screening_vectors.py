"""Screening agrees with every vector; the broken ones give their error."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from protocol.encryption.committee import authority_share
from protocol.encryption.pad.encoding import Words, pack_words
from protocol.encryption.suite import PAD, suite
from protocol.errors import HearthError
from protocol.screening.beacon import beacon
from protocol.screening.decision import decide_screened
from protocol.screening.gram import block_norms, gram
from protocol.screening.mask import Masked, add_mask, mask_coefficients
from protocol.screening.openings import opened
from protocol.screening.pads import check_fetched, pad_share, update_share
from protocol.screening.sketch import SKETCH_BYTES, attested_sketch, sketch_of
from tests.unit.protocol.screening.test_decision import plain
from tests.unit.protocol.screening.verdict_cases import judged
from tests.vectors import write_encryption
from tests.vectors.test_pad_vectors import keys_of

Json = dict[str, Any]
GOOD = json.loads((write_encryption.FOLDER / "screening.json").read_text())
BROKEN = json.loads((write_encryption.FOLDER / "screening_broken.json").read_text())["cases"]
ROUNDS = {case["name"]: case for case in GOOD["rounds"]}


def every(cases: Sequence[Json]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def test_known_answer() -> None:
    case = GOOD["known_answer"]
    drawn = beacon(*(bytes.fromhex(case[name]) for name in ("label", "commitments", "block")))
    assert drawn.hex() == case["beacon"]
    sketch = sketch_of(drawn, case["dimension"])
    assert sketch.places[0, :8].tolist() == case["places_first"]
    assert hashlib.sha256(sketch.places.tobytes()).hexdigest() == case["places_sha256"]
    rows = sketch.of_integers(6 * np.arange(case["dimension"], dtype=np.int64) % 65536 - 32768)
    assert rows[:4].tolist() == case["sketch_of_ramp_first"]
    words = sketch.of_words((6 * np.arange(case["dimension"]) % 65536).astype(np.uint64))
    shift = sketch.of_words(np.full(case["dimension"], 32768, np.uint64))
    p = 2**48 - 59
    assert ((words.astype(object) - shift.astype(object) - rows.astype(object)) % p == 0).all()
    packed = pack_words((rows % p).astype(np.uint64), 6)
    assert hashlib.sha256(packed).hexdigest() == case["sketch_of_ramp_sha256"]
    assert block_norms((rows % p).astype(np.uint64)[None]).tolist() == [norm % p for norm in case["block_norms"]]


def sketched(case: Json, j: int) -> Words:
    """Authority ``j``'s shares of the sketches, from ciphertexts of the suite."""
    label, d, m, t = bytes.fromhex(case["label"]), case["dimension"], case["members"], case["threshold"]
    sketch, rows = sketch_of(bytes.fromhex(case["beacon"]), d), []
    for client in case["clients"]:
        keys, nonce = keys_of(client), bytes.fromhex(client["nonce"])
        values = np.array(client["values"], np.int64)
        body = suite(PAD).encrypt(keys, label, nonce, values, suite(PAD).encoding_for(13, 6), bytes(32))
        pad = pad_share(j, m, t, label, authority_share(keys, j), nonce, d)
        rows.append(sketch.of_words(update_share(body, pad, 1, np.zeros(d, np.uint64))))
    return np.stack(rows)


@every(GOOD["rounds"])
def test_rounds(case: Json) -> None:
    m, t, label, request = (case["members"], case["threshold"], *map(bytes.fromhex, (case["label"], case["request"])))
    for j in range(1, m + 1):
        rows = sketched(case, j)
        assert hashlib.sha256(pack_words(rows, 6)).hexdigest() == case["sketched_shares_sha256"][str(j)]
        entries = [
            Masked(bytes.fromhex(c["address"]), bytes.fromhex(c["nonce"]), authority_share(keys_of(c), j))
            for c in case["clients"]
        ]
        for kind, words in (("gram", gram(rows)), ("norm", block_norms(rows))):
            zero = np.zeros_like(words)
            add_mask(zero, j, m, t, kind.encode(), label, request, entries)
            assert pack_words(zero, 6).hex() == case["masks"][kind][str(j)]
            add_mask(words, j, m, t, kind.encode(), label, request, entries)
            assert pack_words(words, 6).hex() == case["answers"][kind][str(j)]
    for kind, expected in (("gram", case["gram"]), ("norm", case["norms"])):
        answers = {int(j): bytes.fromhex(text) for j, text in case["answers"][kind].items()}
        assert opened(answers, m, t, len(expected)).tolist() == expected


@every(GOOD["verdicts"])
def test_verdicts(case: Json) -> None:
    assert plain(decide_screened(*judged(case))) == case["verdict"]


def test_the_verdicts_have_something_to_say() -> None:
    reasons = {reason for case in GOOD["verdicts"] for reason in case["verdict"]["rejected"].values()}
    assert reasons == {"norm", "gram", "rule", "history"}
    assert all(case["verdict"]["stated"] and case["verdict"]["idle"] for case in GOOD["verdicts"])
    assert {0, 15} < {*GOOD["verdicts"][1]["verdict"]["levels"].values()}


def _beacon(case: Json, change: Json) -> object:
    return beacon(bytes(32), bytes(32), bytes(change["block_bytes"]))


def _sketch(case: Json, change: Json) -> object:
    return sketch_of(bytes.fromhex(case["beacon"]), case["dimension"]).of_integers(np.array(change["values"]))


def _mask(case: Json, change: Json) -> object:
    if "threshold" in change:
        return mask_coefficients(change["members"], change["threshold"], change["members"])
    client = case["clients"][0]
    share = authority_share(keys_of(client), 1)
    entry = Masked(bytes.fromhex(client["address"]), bytes.fromhex(client["nonce"]), share)
    label, request = bytes.fromhex(case["label"]), bytes.fromhex(case["request"])
    add_mask(np.zeros(6, np.uint64), 1, 5, 2, change["kind"].encode(), label, request, [entry])
    return None


def _share(case: Json, change: Json) -> object:
    share = authority_share(keys_of(case["clients"][0]), change["keys_of"])
    return pad_share(1, 5, 2, bytes.fromhex(case["label"]), share, bytes(16), case["dimension"])


def _fetch(case: Json, change: Json) -> object:
    body = bytes(change.get("body_bytes", 6 * case["dimension"]))
    found = hashlib.sha256(body).digest()
    check_fetched(body, found, bytes(32) if change.get("another") else found, case["dimension"])
    return None


def _attest(case: Json, change: Json) -> object:
    return attested_sketch({j: bytes(SKETCH_BYTES) for j in range(1, change["claims"] + 1)}, case["threshold"])


def _open(case: Json, change: Json) -> object:
    answers = {j: bytes.fromhex(case["answers"]["gram"][str(j)]) for j in change["members"]}
    last = change["members"][-1]
    changed = int.from_bytes(answers[last][:6], "little") + change.get("add", 0)
    answers[last] = change.get("word", changed).to_bytes(6, "little") + answers[last][6:]
    answers[last] = answers[last][: change.get("answer_bytes")]
    return opened(answers, case["members"], case["threshold"], len(case["gram"]))


STEPS: dict[str, Callable[[Json, Json], object]] = {
    "beacon": _beacon,
    "sketch": _sketch,
    "mask": _mask,
    "share": _share,
    "fetch": _fetch,
    "attest": _attest,
    "open": _open,
}


@every(BROKEN)
def test_broken_ones(case: Json) -> None:
    with pytest.raises(HearthError) as refused:
        STEPS[case["step"]](ROUNDS[case["round"]], case["change"])
    assert refused.value.code == case["error"]
