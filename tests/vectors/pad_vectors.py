"""The good and the broken vectors of ``PAD/1``: everything in them is computed by the big-integer oracle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from tests.oracles import pad

Json = dict[str, Any]
REJECTION_KEY = 8734  # found by search: with w = 4, one word in 860 million is not below p


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def subset_name(subset: pad.Subset) -> str:
    return ",".join(str(b) for b in subset)


def ramp(count: int) -> list[int]:
    return [(6 * j % 65536) - 32768 for j in range(count)]


def _values(name: str, count: int, largest: int) -> list[int]:
    """Both extremes first, then anything."""
    drawn = pad.aes_ctr(digest(name.encode()), 8 * count)
    some = [int.from_bytes(drawn[8 * i : 8 * i + 8], "little") % (2 * largest + 1) - largest for i in range(count)]
    return [largest, -largest, *some][:count]


def round_case(name: str, width: int, m: int, t: int, bits: int, dimension: int, weights: Sequence[int]) -> Json:
    """A whole round in full: a client for each weight, all m authorities."""
    label, clients, pads_shared = digest(f"label of {name}".encode()), [], []
    ciphertexts, plain = [], []
    for i, weight in enumerate(weights):
        who = f"{name}, client {i}"
        keys = {subset: digest(f"{who}, key {subset_name(subset)}".encode()) for subset in pad.subsets(m, t)}
        nonce = digest(f"{who}, nonce".encode())[:16]
        values = _values(who, dimension, 2 ** (bits - 1) - 1)
        ciphertext = pad.encrypt(keys, label, nonce, values, width)
        shares = {j: pad.share(keys, j, label, nonce, dimension, width) for j in range(1, m + 1)}
        plain.append(values)
        ciphertexts.append(ciphertext)
        pads_shared.append(shares)
        clients.append(
            {
                "nonce": nonce.hex(),
                "weight": weight,
                "keys": {subset_name(subset): key.hex() for subset, key in keys.items()},
                "values": values,
                "pad": pad.packed(pad.pad(keys, label, nonce, dimension, width), width).hex(),
                "ciphertext": pad.packed(ciphertext, width).hex(),
                "shares": {str(j): pad.packed(share, width).hex() for j, share in shares.items()},
            }
        )
    sum_keys = {j: pad.weighted_sum([s[j] for s in pads_shared], weights, width) for j in range(1, m + 1)}
    total = pad.weighted_sum(ciphertexts, weights, width)
    key = pad.key_at_zero({j: sum_keys[j] for j in range(1, t + 1)}, width)
    decrypted = pad.decrypted(total, key, width)
    assert decrypted == [
        sum(y * v for y, v in zip(weights, column, strict=True)) for column in zip(*plain, strict=True)
    ]
    return {
        "name": name,
        "width": width,
        "members": m,
        "threshold": t,
        "bits": bits,
        "dimension": dimension,
        "label": label.hex(),
        "clients": clients,
        "sum_keys": {str(j): pad.packed(words, width).hex() for j, words in sum_keys.items()},
        "sum": pad.packed(total, width).hex(),
        "key": pad.packed(key, width).hex(),
        "decrypted": decrypted,
    }


def _hashes(words: Sequence[int], width: int) -> str:
    return digest(pad.packed(words, width)).hex()


def long_case(
    name: str, width: int, m: int, t: int, label: bytes, keys: dict[pad.Subset, bytes], dimension: int
) -> Json:
    """One client, a long vector: hashes instead of words."""
    nonce, first = bytes(16), pad.subsets(m, t)[0]
    stream = pad.stream(keys[first], label, nonce, dimension, width)
    return {
        "name": name,
        "width": width,
        "members": m,
        "threshold": t,
        "dimension": dimension,
        "label": label.hex(),
        "nonce": nonce.hex(),
        "keys": {subset_name(subset): key.hex() for subset, key in keys.items()},
        "first_stream_words": stream[:3],
        "stream_word_8192": stream[8192] if dimension > 8192 else None,
        "first_stream_sha256": _hashes(stream, width),
        "pad_sha256": _hashes(pad.pad(keys, label, nonce, dimension, width), width),
        "ciphertext_sha256": _hashes(pad.encrypt(keys, label, nonce, ramp(dimension), width), width),
        "shares_sha256": {str(j): _hashes(pad.share(keys, j, label, nonce, dimension, width), width) for j in (1, m)},
    }


def _known_answer(width: int, m: int, t: int) -> Json:
    keys = {subset: digest(b"PAD known-answer key" + bytes(subset)) for subset in pad.subsets(m, t)}
    label = digest(b"PAD known-answer label")
    return long_case(f"known answer, w = {width}, {t} of {m}", width, m, t, label, keys, 10_000)


def _rejection() -> Json:
    """A stream with a word that is not below p, which the first word of the reserve replaces."""
    names = pad.subsets(3, 2)
    keys = {subset: digest(f"vectors: rejection key {subset_name(subset)}".encode()) for subset in names}
    keys[names[0]] = digest(b"vectors: rejection key %d" % REJECTION_KEY)
    return long_case("a word in reserve is used", 4, 3, 2, digest(b"vectors: rejection"), keys, 8192)


def _sampler(name: str, width: int, dimension: int, words: Iterable[int]) -> Json:
    data = pad.packed(list(words), width)
    assert len(data) == pad.stream_bytes(dimension, width)
    case = {"name": name, "width": width, "dimension": dimension, "stream": data.hex()}
    try:
        return case | {"words": pad.accepted_words(data, dimension, width)}
    except pad.SamplerError:
        return case | {"error": "E_SAMPLER"}


def good() -> Json:
    p = pad.PRIME_OF_WIDTH
    return {
        "suite": "PAD/1",
        "known_answers": [_known_answer(w, m, t) for w in (4, 6) for m, t in ((5, 2), (7, 3))] + [_rejection()],
        "ratchet": [
            {"key": bytes(range(32)).hex(), "steps": steps, "result": pad.ratcheted(bytes(range(32)), steps).hex()}
            for steps in (0, 1, 5)
        ],
        "samplers": [
            _sampler("nothing refused", 4, 3, range(11)),
            _sampler("p - 1 stays, p and all ones go", 4, 3, [p[4] - 1, p[4], 2**32 - 1, p[4], 7, *range(20, 26)]),
            _sampler("in increasing position", 6, 4, [p[6], 1, 2**48 - 1, 2, 30, p[6], 31, *range(5)]),
            _sampler("the whole reserve", 6, 8, [2**48 - 1] * 8 + list(range(8))),
        ],
        "rounds": [
            round_case("three clients, 2 of 3, w = 4", 4, 3, 2, 16, 5, [2, 3, 4]),
            round_case("three clients, 2 of 3, w = 6", 6, 3, 2, 30, 5, [1, 255, 100]),
            round_case("two clients, 2 of 5, w = 4", 4, 5, 2, 16, 4, [7, 5]),
            round_case("two clients, 3 of 5, w = 6", 6, 5, 3, 24, 3, [1, 1]),
            round_case("two clients, 3 of 7, w = 6", 6, 7, 3, 16, 3, [10, 20]),
            round_case("two clients, 4 of 7, w = 4", 4, 7, 4, 8, 2, [1, 2]),
        ],
        "budgets": [
            {"width": 4, "bits": 24, "weights": [255, 1]},  # 256 (2^23 - 1) < p / 2
            {"width": 4, "bits": 31, "weights": [1]},
            {"width": 6, "bits": 40, "weights": [255, 1]},
            {"width": 6, "bits": 46, "weights": [1, 1, 1]},
        ],
    }


def _changed(data: str, at: int, to: bytes) -> str:
    raw = bytes.fromhex(data)
    return (raw[:at] + to + raw[at + len(to) :]).hex()


def _combine(case: Json, name: str, answers: dict[str, str], error: str, **changes: Any) -> Json:
    shape = {key: case[key] for key in ("width", "bits", "dimension", "members", "threshold")}
    return {"step": "combine", "name": name, **shape, **changes, "answers": answers, "error": error}


def _open(case: Json, name: str, error: str, **changes: Any) -> Json:
    shape = {key: case[key] for key in ("width", "bits", "dimension", "sum", "key")}
    weights = [client["weight"] for client in case["clients"]]
    return {"step": "decrypt", "name": name, **shape, "weights": weights, **changes, "error": error}


def broken() -> Json:
    cases: list[Json] = []
    for width, m, t in ((4, 3, 2), (6, 5, 3)):
        case = round_case(f"broken, w = {width}", width, m, t, 16, 3, [2, 3])
        body, answers, p = case["clients"][0]["ciphertext"], case["sum_keys"], pad.PRIME_OF_WIDTH[width]
        fold = {"step": "fold", **{key: case[key] for key in ("width", "bits", "dimension")}}
        first = dict(list(answers.items())[:t])
        some = {**first, "1": _changed(first["1"], 0, p.to_bytes(width, "little"))}
        lied = _changed(answers["1"], 0, bytes([bytes.fromhex(answers["1"])[0] ^ 1]))
        one_lies = {**dict(list(answers.items())[: t + 1]), "1": lied}
        other = round_case(f"another label, w = {width}", width, m, t, 16, 3, [2, 3])
        edge = 5 * 32767
        words = [
            int.from_bytes(bytes.fromhex(case["key"])[i : i + width], "little") for i in range(0, 3 * width, width)
        ]
        above = pad.packed([(k + v) % p for k, v in zip(words, (edge + 1, 0, 0), strict=True)], width).hex()
        below = pad.packed([(k + v) % p for k, v in zip(words, (0, 0, -edge - 1), strict=True)], width).hex()
        cases += [
            {**fold, "name": "a body a byte short", "body": body[:-2], "weight": 2, "error": "E_MALFORMED"},
            {**fold, "name": "a body a byte long", "body": body + "00", "weight": 2, "error": "E_MALFORMED"},
            {**fold, "name": "an empty body", "body": "", "weight": 2, "error": "E_MALFORMED"},
            {**fold, "name": "weight 0", "body": body, "weight": 0, "error": "E_WEIGHT"},
            {**fold, "name": "weight 256", "body": body, "weight": 256, "error": "E_WEIGHT"},
            _combine(case, "one answer too few", dict(list(answers.items())[: t - 1]), "E_SHARES"),
            _combine(case, "a lie among t + 1", one_lies, "E_SHARE_INCONSISTENT"),
            _combine(case, "a word that is p", some, "E_MALFORMED"),
            _combine(case, "an answer a word short", {**first, "2": first["2"][: -2 * width]}, "E_MALFORMED"),
            _combine(case, "an answer a byte long", {**first, "2": first["2"] + "00"}, "E_MALFORMED"),
            _combine(case, "an authority beyond the committee", {**first, str(m + 1): first["1"]}, "E_PARAMS"),
            _combine(case, "a committee of threshold 1", first, "E_PARAMS", threshold=1),
            _open(case, "the key of another label", "E_RANGE", key=other["key"]),
            _open(case, "one above the largest sum", "E_RANGE", sum=above),
            _open(case, "one below the smallest sum", "E_RANGE", sum=below),
            _open(case, "a key a byte short", "E_MALFORMED", key=case["key"][:-2]),
            _open(case, "no weights", "E_PARAMS", weights=[]),
            _open(case, "a weight of 256", "E_WEIGHT", weights=[2, 256]),
        ]
    budgets = [
        ("257 times 2^23 - 1", 4, 24, [255, 2], "E_BUDGET"),
        ("2 times 2^30 - 1", 4, 31, [1, 1], "E_BUDGET"),
        ("4 times 2^45 - 1", 6, 46, [2, 2], "E_BUDGET"),
        ("5 bytes", 5, 16, [1], "E_PARAMS"),
        ("33 bits in 4 bytes", 4, 33, [1], "E_PARAMS"),
        ("1 bit", 4, 1, [1], "E_PARAMS"),
        ("weight 0", 4, 16, [1, 0], "E_WEIGHT"),
    ]
    cases += [
        {"step": "budget", "name": name, "width": width, "bits": bits, "weights": weights, "error": error}
        for name, width, bits, weights, error in budgets
    ]
    spent = [2**32 - 1] * 9 + list(range(7))
    cases.append({"step": "sampler", **_sampler("nine refused, eight in reserve", 4, 9, [*spent, 2**32 - 1])})
    cases.append({"step": "sampler", **_sampler("a reserve of nothing", 6, 1, [2**48 - 1] * 9)})
    assert all("error" in case for case in cases)
    return {"suite": "PAD/1", "cases": cases}
