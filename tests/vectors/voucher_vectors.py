"""The good and the broken vectors of vouchers, computed by the oracle in Python integers."""

from __future__ import annotations

from typing import Any

from tests.oracles import vouchers as oracle
from tests.vectors.pad_vectors import Json, digest
from tests.voucher_keys import KEYS

_PLACES: tuple[tuple[int, int], ...] = ((1, 1), (31337, 77), (2**64, 2**40))  # chain and task


def _hex(value: int) -> str:
    return value.to_bytes(256, "big").hex()


def _drawn(what: str, n: int) -> int:
    return int.from_bytes(b"".join(digest(f"{what} {block}".encode()) for block in range(8)), "big") % n


def _key(place: int) -> Json:
    key = KEYS[place]
    n = key.p * key.q
    return {
        "p": f"{key.p:x}",
        "q": f"{key.q:x}",
        "modulus": _hex(n),
        "key": oracle.key_of(n).hex(),
        "roots": [_hex(root) for root in oracle.proof(key.p, key.q)],
    }


def _voucher(place: int) -> Json:
    key, (chain, task) = KEYS[place % len(KEYS)], _PLACES[place]
    n, ledger, client = key.p * key.q, digest(b"ledger %d" % place)[:20], digest(b"client %d" % place)[:20]
    said, r = oracle.statement(n, chain, ledger, task, client), _drawn(f"blinding {place}", n)
    shown = oracle.blinded(n, said, r)
    signature = oracle.signed(key.p, key.q, shown)
    return {
        "name": f"chain {chain}, task {task}",
        "key": place % len(KEYS),
        "chain_id": str(chain),
        "ledger": ledger.hex(),
        "task": str(task),
        "client": client.hex(),
        "hash": _hex(said),
        "blinding": _hex(r),
        "blinded": _hex(shown),
        "signature": _hex(signature),
        "voucher": _hex(oracle.unblinded(n, signature, r)),
    }


def good() -> Json:
    return {
        "keys": [_key(place) for place in range(len(KEYS))],
        "vouchers": [_voucher(place) for place in range(len(_PLACES))],
    }


def broken() -> Json:
    first, n = _voucher(0), KEYS[0].p * KEYS[0].q
    value, root = int(first["voucher"], 16), oracle.proof(KEYS[0].p, KEYS[0].q)
    vouchers: dict[str, Any] = {
        "of another client": _voucher(1)["voucher"],
        "one bit": _hex(value ^ 1),
        "its negative": _hex(n - value),
        "zero": _hex(0),
        "the modulus": _hex(n),
        "short": first["voucher"][2:],
        "long": "00" + first["voucher"],
        "signed before it was unblinded": first["signature"],
    }
    if value + n < 2**2048:
        vouchers["not below the modulus"] = _hex(value + n)
    moduli = {
        "2047 bits": n >> 1 | 1,
        "even": n + 1,
        "a small factor": (n // 65521 + 1) * 65521,
        "another modulus": n + 2 * 3 * 5 * 7 * 11 * 13,
    }
    roots = {
        "a root of degree e where one of degree eN belongs": [pow(root[0], n, n), *root[1:]],
        "negative": [*root[:8], n - root[8]],
        "two changed places": [root[1], root[0], *root[2:]],
    }
    return {
        "vouchers": [{"name": name, "voucher": said} for name, said in vouchers.items()],
        "moduli": [{"name": name, "modulus": _hex(said)} for name, said in moduli.items()],
        "roots": [{"name": name, "roots": [_hex(one) for one in said]} for name, said in roots.items()],
    }
