"""The household's process: where its link leads, and what it says when it cannot begin."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from client_agent.home import HomeSettings, PageError, name_of, opened_home, serve_household
from client_agent.main import Owner
from client_agent.settings import AgentSettings
from client_agent.web.book import KeptTask
from protocol.invitation import Invitation
from protocol.messages.vouchers import CODE_BYTES
from storage.ledger.signer import Signer
from storage.records.interface import RecordsBusyError
from tests.samples import DOMAIN, private_key

SIGNER = Signer(private_key("client", 0))


def settings(folder: Path, port: int = 0) -> HomeSettings:
    """Of a chain that nobody answers for: the page works all the same."""
    return HomeSettings(folder / "household", "http://127.0.0.1:9", DOMAIN, str(folder / "store"), port)


@pytest.mark.parametrize(
    ("host", "name"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("[::1]", "[::1]"), ("10.0.0.7",) * 2],
)  # fmt: skip
def test_the_link_leads_to_where_it_listens(host: str, name: str) -> None:
    assert name_of(host) == name


def test_one_process_has_a_household(tmp_path: Path) -> None:
    with opened_home(settings(tmp_path), SIGNER) as home:
        home.start()
        with pytest.raises(RecordsBusyError), opened_home(settings(tmp_path), SIGNER):
            pass
    with opened_home(settings(tmp_path), SIGNER):
        pass


def test_a_phone_gets_the_code_of_its_invitation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list[AgentSettings]()

    def opened_phone(given: AgentSettings, *_: object, **__: object) -> AbstractContextManager[None]:
        opened.append(given)
        return nullcontext()

    monkeypatch.setattr("client_agent.home.opened_phone", opened_phone)
    invitation = Invitation(DOMAIN, 1, bytes(32), ("http://127.0.0.1:9",), b"\7" * CODE_BYTES)
    with (
        opened_home(settings(tmp_path), SIGNER) as home,
        home.ways.open_phone(KeptTask(invitation, str(tmp_path)), Owner(lambda _: None, lambda _: False)),
    ):
        assert [one.voucher_code for one in opened] == [invitation.voucher_code]


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(PageError, match="choose another with --port"):
            serve_household(settings(tmp_path, taken.getsockname()[1]), SIGNER, lambda _: None)
