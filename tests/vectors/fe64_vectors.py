"""The good and the broken vectors of ``FE64-A/1``, computed by the big-integer oracle, without noise (e = 0).

A broken one names a round of the good ones and says what is changed: rings are too long to be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Any

from tests.oracles import fe64, pad
from tests.vectors.pad_vectors import Json, digest, ramp, subset_name

_SMALL = "two clients, 2 of 3, k = 2, b = 16"


def _element_hash(element: fe64.Element) -> str:
    return digest(fe64.packed(element)).hex()


def _words_hash(words: Sequence[int]) -> str:
    return digest(fe64.packed_words(words)).hex()


def known_answer() -> Json:
    """``encryption.md`` 3.9."""
    label, key, nonce = digest(b"FE64 known-answer label"), bytes(range(32)), bytes(16)
    secret = fe64.secret({(1,): key}, label, nonce)
    first, second = fe64.masks(label, secret, fe64.N + 1)
    words = fe64.encrypt({(1,): key}, label, nonce, ramp(10_000), 16, 2)
    mask = fe64.switch(second)
    assert fe64.switch(first)[0] != words[0]
    return {
        "label": label.hex(),
        "key": key.hex(),
        "nonce": nonce.hex(),
        "secret_first_words": [row[0] for row in secret],
        "secret_sha256": _element_hash(secret),
        "public_block_sha256": [_element_hash(fe64.public(label, t)) for t in (0, 1)],
        "mask_of_block_1_first_words": [f"{word:016x}" for word in mask[:3]],
        "mask_of_block_1_sha256": _words_hash(mask),
        "dimension": 10_000,
        "ciphertext_first_word": f"{words[0]:016x}",
        "ciphertext_sha256": _words_hash(words),
    }


def round_case(name: str, m: int, t: int, fields: int, bits: int, dimension: int, weights: Sequence[int]) -> Json:
    label, clients = digest(f"label of {name}".encode()), []
    total, plain, shares, secrets = [0] * -(-dimension // fields), [], [], []
    for i, weight in enumerate(weights):
        who = f"{name}, client {i}"
        keys = {subset: digest(f"{who}, key {subset_name(subset)}".encode()) for subset in pad.subsets(m, t)}
        nonce, largest = digest(f"{who}, nonce".encode())[:16], 2 ** (bits - 1) - 1
        drawn = digest(who.encode()) * (dimension // 4 + 1)
        some = [
            int.from_bytes(drawn[7 * k : 7 * k + 8], "little") % (2 * largest + 1) - largest for k in range(dimension)
        ]
        values = [largest, -largest, *some][:dimension]
        words = fe64.encrypt(keys, label, nonce, values, bits, fields)
        total = [(so_far + weight * word) % 2**64 for so_far, word in zip(total, words, strict=True)]
        secrets.append(fe64.secret(keys, label, nonce))
        shares.append([fe64.share(keys, j, label, nonce) for j in range(1, m + 1)])
        plain.append(values)
        clients.append(
            {
                "nonce": nonce.hex(),
                "weight": weight,
                "keys": {subset_name(subset): key.hex() for subset, key in keys.items()},
                "values": values,
                "secret_sha256": _element_hash(secrets[-1]),
                "ciphertext": fe64.packed_words(words).hex(),
            }
        )
    factors = [(weight, weight, weight) for weight in weights]
    key = fe64.combination(secrets, factors)
    partials = {j: fe64.combination([s[j - 1] for s in shares], factors) for j in range(1, m + 1)}
    decrypted = fe64.decrypted(total, key, label, dimension, weights, bits, fields)
    assert decrypted == [
        sum(y * v for y, v in zip(weights, column, strict=True)) for column in zip(*plain, strict=True)
    ]
    return {
        "name": name,
        "members": m,
        "threshold": t,
        "fields": fields,
        "bits": bits,
        "dimension": dimension,
        "label": label.hex(),
        "clients": clients,
        "partial_keys_sha256": {str(j): _element_hash(element) for j, element in partials.items()},
        "functional_key_sha256": _element_hash(key),
        "sum": fe64.packed_words(total).hex(),
        "decrypted": decrypted,
    }


def residual_bound(runs: Sequence[tuple[int, int]]) -> int:
    """nb of (B2), with 80 digits; so many times each weight."""
    with localcontext() as context:
        context.prec = 80
        squares, sigma_squared = Decimal(sum(count * y * y for y, count in runs)), Decimal(82**2 * 401)
        variance = Decimal("1.1") * (squares + 1) / 12 + squares * sigma_squared * (Decimal(2**64) / fe64.PRODUCT) ** 2
        return int((Decimal("8.5") * variance.sqrt()).to_integral_value(ROUND_CEILING)) + 4


def good() -> Json:
    return {
        "suite": "FE64-A/1",
        "known_answer": known_answer(),
        "rounds": [
            round_case(_SMALL, 3, 2, 2, 16, 7, [2, 3]),
            round_case("two clients, 3 of 4, k = 1, b = 30", 4, 3, 1, 30, 3, [190, 1]),
            round_case("two clients, 2 of 5, k = 3, b = 11", 5, 2, 3, 11, 7, [60, 67]),
            round_case("three clients, 2 of 3, k = 4, b = 6", 3, 2, 4, 6, 9, [60, 60, 10]),
        ],
        "budgets": [
            {"fields": k, "bits": b, "weights": runs, "residual_bound": residual_bound(runs)}
            for k, b, runs in (
                (2, 16, [(1, 2)]),
                (2, 16, [(19, 100)]),
                (2, 13, [(1, 10_000)]),
                (1, 30, [(197, 1)]),
                (1, 53, [(1, 1)]),
                (4, 6, [(130, 1)]),
                (3, 11, [(1, 127)]),
            )
        ],
    }


def broken() -> Json:
    """``change``: a residue of ``key`` or of one of ``answers``, by limb and position, or another value."""
    cases: list[Json] = []

    def case(step: str, name: str, error: str, **change: Any) -> None:
        cases.append({"step": step, "name": name, "round": _SMALL, "change": change, "error": error})

    case("fold", "a body a byte short", "E_MALFORMED", body_bytes=31)
    case("fold", "a body a word long", "E_MALFORMED", body_bytes=40)
    case("fold", "an empty body", "E_MALFORMED", body_bytes=0)
    case("fold", "weight 0", "E_WEIGHT", weight=0)
    case("fold", "weight 256", "E_WEIGHT", weight=256)
    for limb, prime in enumerate(fe64.Q[:2]):
        case("decrypt", f"residue of prime {prime} off by one", "E_RANGE", key={"limb": limb, "position": 0, "add": 1})
    case("decrypt", "residue of the last prime off by one", "E_RESIDUAL", key={"limb": 2, "position": 9, "add": 1})
    case("decrypt", "decrypted under another label", "E_RESIDUAL", label=digest(b"another label").hex())
    case("decrypt", "a residue that is its prime", "E_MALFORMED", key={"limb": 1, "position": 5, "set": fe64.Q[1]})
    case("decrypt", "a key a byte short", "E_MALFORMED", key_bytes=49_151)
    case("decrypt", "no weights", "E_PARAMS", weights=[])
    case("decrypt", "weights that sum to too much", "E_BUDGET", weights=[255] * 9)
    case("combine", "one answer too few", "E_SHARES", from_members=[2])
    lie = {"member": 2, "limb": 0, "position": 17, "add": 1}
    case("combine", "a lie among t + 1", "E_SHARE_INCONSISTENT", from_members=[1, 2, 3], answers=lie)
    case("combine", "a residue that is its prime", "E_MALFORMED", answers={**lie, "set": fe64.Q[0]})
    case("combine", "an answer a byte long", "E_MALFORMED", answer_bytes=49_153)
    case("combine", "a committee of threshold 1", "E_PARAMS", threshold=1)
    budgets = [
        ("a field overflows (B1)", 2, 16, [(255, 8), (6, 1)], "E_BUDGET"),
        ("a field overflows (B1), k = 4", 4, 6, [(131, 1)], "E_BUDGET"),
        ("too much noise (B2)", 1, 16, [(198, 1)], "E_BUDGET"),
        ("too much noise (B2), many clients", 2, 8, [(2, 9800)], "E_BUDGET"),
        ("five fields", 5, 8, [(1, 1)], "E_PARAMS"),
        ("28 bits in a field of 27", 2, 28, [(1, 1)], "E_PARAMS"),
        ("weight 256", 2, 8, [(256, 1)], "E_WEIGHT"),
        ("nobody", 2, 8, [], "E_PARAMS"),
    ]
    cases += [
        {"step": "budget", "name": name, "fields": k, "bits": b, "weights": runs, "error": error}
        for name, k, b, runs, error in budgets
    ]
    return {"suite": "FE64-A/1", "cases": cases}
