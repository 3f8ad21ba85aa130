"""The good and the broken vectors of screening, computed by the oracle in Python integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.oracles import pad, screening_verdict
from tests.oracles import screening as oracle
from tests.vectors.pad_vectors import Json, digest, ramp, subset_name

_ROUND = "three clients, 2 of 5"


def _packed(words: Sequence[int]) -> str:
    return pad.packed([word % oracle.P for word in words], oracle.WIDTH).hex()


def _hash(words: Sequence[int]) -> str:
    return digest(bytes.fromhex(_packed(words))).hex()


def known_answer() -> Json:
    label, root, block = (digest(f"screening known-answer {name}".encode()) for name in ("label", "root", "block"))
    drawn = oracle.beacon(label, root, block)
    rows = oracle.sketch(drawn, ramp(10_000))
    return {
        "label": label.hex(),
        "commitments": root.hex(),
        "block": block.hex(),
        "beacon": drawn.hex(),
        "dimension": 10_000,
        "places_first": list(oracle.sketch_bytes(drawn, 10_000)[:8]),
        "places_sha256": digest(oracle.sketch_bytes(drawn, 10_000)).hex(),
        "sketch_of_ramp_first": rows[:4],
        "sketch_of_ramp_sha256": _hash(rows),
        "block_norms": oracle.norms([rows]),
    }


def round_case(name: str, m: int, t: int, dimension: int, n: int) -> Json:
    label, request, drawn = (digest(f"{what} of {name}".encode()) for what in ("label", "request", "beacon"))
    keys, clients, values, shares = [], [], [], []
    for i in range(n):
        who = f"{name}, client {i}"
        keys.append({s: digest(f"{who}, key {subset_name(s)}".encode()) for s in pad.subsets(m, t)})
        clients.append((digest(who.encode())[:20], digest(f"{who}, nonce".encode())[:16]))
        stream = digest(who.encode()) * (dimension // 16 + 1)
        values.append([int.from_bytes(stream[2 * k : 2 * k + 2], "little") % 4001 - 2000 for k in range(dimension)])
        body = pad.encrypt(keys[i], label, clients[i][1], values[i], oracle.WIDTH)
        shares.append(
            {
                j: [
                    (c - r) % oracle.P
                    for c, r in zip(
                        body, pad.share(keys[i], j, label, clients[i][1], dimension, oracle.WIDTH), strict=True
                    )
                ]
                for j in range(1, m + 1)
            }
        )
    answers: dict[str, dict[int, list[int]]] = {"gram": {}, "norm": {}}
    masks, sketches = {}, {}
    for j in range(1, m + 1):
        rows = [[value % oracle.P for value in oracle.sketch(drawn, share[j])] for share in shares]
        sketches[j] = _hash([word for row in rows for word in row])
        for kind, words in (("gram", oracle.triangle(rows)), ("norm", oracle.norms(rows))):
            prefix = kind.encode() + label + request
            zero = oracle.mask(j, t, keys, clients, prefix, len(words))
            masks[kind, j] = zero
            answers[kind][j] = [(a + b) % oracle.P for a, b in zip(words, zero, strict=True)]
    plain = [oracle.sketch(drawn, v) for v in values]
    first = {kind: {j: given[j] for j in range(1, 2 * t)} for kind, given in answers.items()}
    assert oracle.at_zero(first["gram"]) == oracle.triangle(plain)
    assert oracle.at_zero(first["norm"]) == oracle.norms(plain)
    return {
        "name": name,
        "members": m,
        "threshold": t,
        "dimension": dimension,
        "label": label.hex(),
        "request": request.hex(),
        "beacon": drawn.hex(),
        "clients": [
            {
                "address": address.hex(),
                "nonce": nonce.hex(),
                "keys": {subset_name(s): key.hex() for s, key in own.items()},
                "values": v,
            }
            for (address, nonce), own, v in zip(clients, keys, values, strict=True)
        ],
        "sketched_shares_sha256": {str(j): value for j, value in sketches.items()},
        "masks": {kind: {str(j): _packed(masks[kind, j]) for j in range(1, m + 1)} for kind in ("gram", "norm")},
        "answers": {kind: {str(j): _packed(words) for j, words in given.items()} for kind, given in answers.items()},
        "gram": oracle.triangle(plain),
        "norms": oracle.norms(plain),
    }


def verdict_case(rule: str, wrong: bool) -> Json:
    """Fifteen clients: honest ones, two alike, one that copies the public vector, one idle, one beyond its range, one
    whose history is too long, and with ``wrong`` one whose products wrapped."""
    name, d = f"verdict by {rule}", 16
    drawn = digest(f"{name}, beacon".encode())
    clients = sorted(digest(f"{name}, client {i}".encode())[:20].hex() for i in range(15))

    def small(what: str, most: int) -> list[int]:
        return [byte % (2 * most + 1) - most for byte in digest(f"{name}, {what}".encode())[:d]]

    shared, public = small("shared", 40), small("public", 30)
    updates = [[a + b for a, b in zip(shared, small(f"own {i}", 25), strict=True)] for i in range(15)]
    updates[1] = [-3 * x for x in shared]
    updates[4], updates[6] = [x + 1 for x in updates[1]], [2 * x for x in public]
    updates[7], updates[8], updates[11] = [0] * d, [50 * x for x in shared], updates[0]
    rows = [oracle.sketch(drawn, v) for v in (*updates, public)]
    counts = {client: 2 + i % 3 for i, client in enumerate(clients) if i != 3}
    held = [
        oracle.sketch(drawn, [counts[client] * x * (9 if i == 11 else 1) for x in updates[i]])
        for i, client in enumerate(clients)
        if client in counts
    ]

    def square(of: Sequence[Sequence[int]]) -> list[list[int]]:
        return [[sum(x * y for x, y in zip(a, b, strict=True)) for b in of] for a in of]

    gram = square(rows)
    if wrong:
        for i in range(16):
            gram[5][i] = gram[i][5] = gram[5][5] if i == 5 else 2**40 + i
    case = {
        "name": name,
        "round": 7,
        "terms": {
            "rule": rule,
            "norm_bound": 700,
            "clip": 650,
            "window": 20,
            "probation": 3,
            "suspects_ppm": 300_000,
            "slack_ppm": 500_000,
            "floor_ppm": 1_000_000,
            "idle_ppm": 50_000,
            "copy_ppm": 980_000,
        },
        "noise": 40,
        "weights": {client: (i * 5 + 1) % 16 for i, client in enumerate(clients)},
        "counts": counts,
        "step_noise": 900 if wrong else 4800,
        "before": {
            client: [(160 if i in (9, 12) else i - 8) * 240, 8 * 4800, 10**6] for i, client in enumerate(clients)
        },
        "gram": gram,
        "norms": oracle.norms(rows[:15]),
        "history": square(held),
    }
    return {**case, "verdict": screening_verdict.verdict(case)}


def good() -> Json:
    return {
        "verdicts": [
            verdict_case("krum", False),
            verdict_case("foolsgold", True),
            verdict_case("alignment", False),
        ],
        "known_answer": known_answer(),
        "rounds": [round_case(_ROUND, 5, 2, 40, 3), round_case("two clients, 3 of 7", 7, 3, 9, 2)],
    }


def broken() -> Json:
    """One of each: ``change`` says what is wrong about the round of that name, ``error`` what must come."""
    cases: list[Json] = []

    def case(step: str, name: str, error: str, **change: Any) -> None:
        cases.append({"step": step, "name": name, "round": _ROUND, "change": change, "error": error})

    case("beacon", "a block's hash a byte short", "E_PARAMS", block_bytes=31)
    case("sketch", "values whose sketch could wrap", "E_RANGE", values=[2**42] * 40)
    case("mask", "another kind of four letters", "E_PARAMS", kind="game")
    case("mask", "a committee whose coefficients overflow", "E_PARAMS", members=12, threshold=5)
    case("share", "the keys of another authority", "E_PARAMS", keys_of=2)
    case("fetch", "a ciphertext that its client did not sign", "E_SKETCH_BYTES", another=True)
    case("fetch", "a ciphertext a byte long", "E_SKETCH_BYTES", body_bytes=241)
    case("attest", "one authority where two are needed", "E_SKETCH_BYTES", claims=1)
    case("open", "two answers where three are needed", "E_SHARES", members=[1, 2])
    case("open", "an answer a byte short", "E_MALFORMED", members=[1, 2, 3], answer_bytes=35)
    case("open", "a word that is the modulus", "E_MALFORMED", members=[1, 2, 3], word=oracle.P)
    case("open", "one of four answers off by one", "E_SHARE_INCONSISTENT", members=[1, 2, 3, 5], add=1)
    return {"cases": cases}
