"""The account of a role: its keystore, its coin, what it has sent."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

from protocol.identifiers import to_hex
from scripts.doctor.chain import provider_of
from scripts.doctor.subject import Subject
from scripts.doctor.verdict import Finding, Verdict, examined, ok, skipped, warn
from storage.ledger.ethereum.node import Node, quantity
from storage.ledger.signer import Signer

WEI: Final = 10**18
_OPEN: Final = stat.S_IRWXG | stat.S_IRWXO


def account_findings(subject: Subject) -> Iterator[Finding]:
    if subject.keystore is None or subject.password_file is None:
        yield Finding("keystore", skipped("no --keystore with its --password-file"))
        return
    file, password_file, opened = subject.keystore, subject.password_file, list[Signer]()
    remedy = "name the keystore and the file with its password; hearth key new makes both"
    yield examined("keystore", lambda: keystore(file, password_file, opened), remedy)
    if not opened or subject.rpc_url is None:
        yield Finding("balance", skipped("no keystore that opens" if not opened else "no --rpc-url"))
        return
    signer, url = opened[0], subject.rpc_url
    rows: tuple[tuple[str, Callable[[Signer, str], Verdict]], ...] = (
        ("account", private), ("balance", balance), ("pending", pending),
    )  # fmt: skip
    for about, check in rows:
        yield examined(about, partial(check, signer, url), "look at the chain's line first")


def keystore(file: Path, password_file: Path, opened: list[Signer]) -> Verdict:
    signer = Signer.from_keystore(file, password_file)
    opened.append(signer)
    for secret in (file, password_file):
        if secret.stat().st_mode & _OPEN:
            return warn(f"{secret} can be read by other users of this machine", f"chmod 600 {secret}")
    return ok(f"opens, account {to_hex(signer.address)}")


def private(signer: Signer, url: str) -> Verdict:
    signer.require_private(url)
    return ok("its key is no public development key, or the chain is on this machine")


def balance(signer: Signer, url: str) -> Verdict:
    with provider_of(url) as provider:
        wei = Node(provider).balance(signer.address)
    if not wei:
        return warn("no coin", f"send some to {to_hex(signer.address)} if its role sends transactions")
    return ok(f"{Decimal(wei) / WEI:f} coins")


def pending(signer: Signer, url: str) -> Verdict:
    """Transactions that the node holds and no block has."""
    with provider_of(url) as provider:
        mined, sent = (
            quantity(provider.make_request("eth_getTransactionCount", [to_hex(signer.address), at])["result"])
            for at in ("latest", "pending")
        )
    if sent > mined:
        remedy = "they are mined when fees fall or --max-gas-price rises; until then later ones wait behind them"
        return warn(f"{sent - mined} transactions wait, from number {mined}", remedy)
    return ok(f"no transaction waits; {mined} were mined")
