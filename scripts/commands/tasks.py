"""``hearth tasks``: the open tasks of a ledger, as this household would have them; asked of chain and content alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from protocol.identifiers import Address, from_hex, to_hex
from protocol.strict_json import parse_json
from protocol.text import shown
from scripts.commands.options import (
    HOUSEHOLD,
    Household,
    JsonFile,
    Ledger,
    RpcUrl,
    Store,
    address_option,
    telling_clock,
    url_option,
)

if TYPE_CHECKING:
    from client_agent.household_folder import HouseholdFolder
    from client_agent.offers import Offer, Seeker

NEW_ACCOUNT: Final = bytes(20)  # one that never worked
MAX_KEYSTORE_BYTES: Final = 16 * 1024
MAX_DATA_BYTES: Final = 512 * 1024 * 1024


def tasks(
    rpc_url: RpcUrl,
    ledger: Ledger,
    store: Store,
    household: Household = HOUSEHOLD,
    account: Annotated[
        Address | None, address_option("that would work; else that of keystore.json of the household, or a new one")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="the household's examples, to know which fit")
    ] = None,
    data_set: Annotated[str, typer.Option(help="name of the data set that would be used")] = "home",
    edge: Annotated[
        list[str] | None,
        url_option("of an edge server that you know of, for the links; else of those that invited you before"),
    ] = None,
    all_of_them: Annotated[
        bool, typer.Option("--all", help="also tasks that are not for this household, with why")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Lists the open tasks of a ledger that are for this household, the most reward for its privacy first."""
    from rich.console import Console

    from client_agent.household_folder import HouseholdFolder
    from client_agent.invited import urls_by_server
    from client_agent.offer_book import OfferBook
    from storage.content.open_store import open_store
    from storage.ledger.ethereum.reader import EthereumReader

    reader = EthereumReader(
        rpc_url, ledger.ledger, chain_id=ledger.chain_id, first_block=ledger.first_block, clock=telling_clock()
    )
    reader.verify_contract()
    folder = HouseholdFolder(household.expanduser())
    seeker = _seeker(folder, account, data, data_set)
    offers = OfferBook(reader, open_store(store)).look(seeker)
    listed = [offer for offer in offers if all_of_them or offer.qualifies]
    servers, named = urls_by_server(folder.invitations(), reader), tuple(url.rstrip("/") for url in edge or ())
    links = {one.task: link for one in listed if (link := _link(one, named, servers))}
    if json_file is not None:
        facts = [facts_of(offer) | {"invitation": links.get(offer.task)} for offer in listed]
        json_file.write((json.dumps(facts, sort_keys=True) + "\n").encode())
    console = Console(highlight=False, markup=False)
    if listed:
        _show(console, listed)
    for line in (*_joining(listed, links), *_closing(offers, listed, seeker.client)):
        console.print(line, soft_wrap=True)


def facts_of(offer: Offer) -> dict[str, Any]:
    """One offer as JSON. An epsilon is never alone: ``privacy`` says what it means."""
    figure = offer.figure
    return {
        "task": offer.task,
        "title": offer.title,
        "spec": to_hex(offer.spec),
        "manufacturer": to_hex(offer.manufacturer),
        "first_round": offer.first_round,
        "rounds": offer.rounds,
        "reward": offer.reward,
        "token": to_hex(offer.token),
        "edge_servers": [] if offer.terms is None else [to_hex(one) for one in offer.terms.edge_servers],
        "epsilon_micro": None if figure is None else figure.epsilon_micro,
        "privacy": None if figure is None else str(figure),
        "enrolled": offer.enrolled,
        "max_clients": offer.max_clients,
        "enrol_until": offer.enrol_until,
        "task_until": offer.task_until,
        "now": offer.now,
        "qualifies": offer.qualifies,
        "obstacles": [asdict(one) for one in offer.obstacles],
    }


def _show(console: Any, listed: list[Offer]) -> None:
    from rich.text import Text

    from scripts.demonstration.screen import show, table

    exponents = {offer.figure.delta_exponent for offer in listed if offer.figure is not None}
    delta = f" at delta 1e-{min(exponents)}" if exponents else ""
    rows = table("Open tasks", "task", "about", "reward", f"epsilon{delta}", "reward for epsilon 1", "rounds", "until")
    for offer in listed:
        worth, figure = offer.reward_per_epsilon, offer.figure
        rows.add_row(
            str(offer.task),
            Text(offer.title or "?"),
            _amount(offer),
            "no guarantee" if figure is None else figure.decimal,
            "" if worth is None else f"{_whole(worth):,}",
            f"{offer.first_round} to {offer.first_round + offer.rounds - 1}" if offer.rounds else "none",
            _span(offer.task_until - offer.now),
        )
    show(console, rows)


def _link(offer: Offer, named: tuple[str, ...], servers: dict[Address, tuple[str, ...]]) -> str | None:
    """An invitation to a task that suits, where somebody knows the URL of its edge server."""
    from protocol.invitation import Invitation

    if offer.terms is None or not offer.qualifies:
        return None
    urls = named or servers.get(offer.terms.edge_server, ())
    return str(Invitation(offer.domain, offer.task, offer.spec, urls)) if urls else None


def _joining(listed: list[Offer], links: dict[int, str]) -> Iterator[str]:
    """How to join each task, or what is missing for that."""
    for offer in listed:
        if offer.task in links:
            yield f"task {offer.task}: hearth join {links[offer.task]}"
        elif offer.qualifies and offer.terms is not None:
            yield (
                f"task {offer.task}: the ledger has no URL of its edge server {to_hex(offer.terms.edge_server)}; its"
                f" manufacturer {to_hex(offer.manufacturer)} gives an invitation, or name the server with --edge URL"
            )


def _closing(offers: tuple[Offer, ...], listed: list[Offer], client: Address) -> Iterator[str]:
    for offer in listed:
        yield from (
            f"task {offer.task} is not for this household ({one.reason}): {one.text}" for one in offer.obstacles
        )
    hidden = len(offers) - len(listed)
    if not listed:
        yield "no open task is for this household" if offers else "no task is open"
    if hidden:
        yield f"{hidden} more are not for this household: hearth tasks --all says why"
    if client == NEW_ACCOUNT:
        yield "checked for an account that never worked; --account ADDRESS is for another one"


def _amount(offer: Offer) -> str:
    unit = "wei" if not any(offer.token) else f"of {to_hex(offer.token)}"
    return f"{offer.reward:,} {unit}"


def _whole(worth: Fraction) -> int:
    return worth.numerator // worth.denominator


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(0, seconds)} seconds"


def _seeker(folder: HouseholdFolder, account: Address | None, data: Path | None, data_set: str) -> Seeker:
    from client_agent.offers import Seeker, data_facts
    from client_agent.policy import parse_policy
    from client_agent.privacy.ledger import PrivacyLedger, Spending
    from protocol.model.dataset import decode_examples
    from storage.bounded_file import read_bounded
    from storage.policy_file import read_policy_file
    from storage.records.journal import Journal

    spent = (
        PrivacyLedger(lambda: Journal(folder.privacy, wait=True)).spending() if folder.privacy.exists() else Spending()
    )
    facts = None if data is None else data_facts(decode_examples(read_bounded(data, MAX_DATA_BYTES)))
    policy = parse_policy(read_policy_file(folder.policy))
    return Seeker(account or _account_of(folder.keystore), policy, spent, shown(data_set), facts)


def _account_of(keystore: Path) -> Address:
    """As the keystore says, without its password: nothing is signed here."""
    from protocol.errors import HearthError
    from storage.bounded_file import read_bounded

    try:
        address = parse_json(read_bounded(keystore, MAX_KEYSTORE_BYTES))["address"]
        return from_hex("0x" + address.lower().removeprefix("0x"), 20)
    except (OSError, HearthError, LookupError, TypeError, AttributeError):
        return NEW_ACCOUNT
