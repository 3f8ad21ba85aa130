"""What is wrong with a server's options is one line before it listens; what may come right is said and waited for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from backend.key_authority.main import serve_authority
from backend.key_authority.settings import AuthoritySettings
from backend.listening import ListenError, Listening
from backend.main import serve_edge
from backend.rounds.committee_client import CommitteeClient
from backend.settings import EdgeSettings
from backend.start_checks import StartError, check_chain, check_gas
from backend.store_check import check_store
from protocol.domain import Domain
from protocol.errors import HearthError, MalformedError
from protocol.signing import domain_separator
from storage.content.filesystem import FilesystemStore
from storage.content.open_store import open_store
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.interface import LedgerError, WrongChainError, WrongContractError
from storage.ledger.signer import Signer
from storage.records.interface import RecordsBusyError
from storage.records.open_records import open_records
from tests.samples import DOMAIN, private_key
from tests.unit.storage.ledger.node import by_method, node, result

SIGNER = Signer(private_key("starting"))
RIGHT = by_method(
    eth_chainId=result(hex(DOMAIN.chain_id)),
    eth_call=result("0x" + domain_separator(DOMAIN).hex()),
    eth_getBalance=result("0x0"),
)
URL = "http://name:secret@chain.invalid/v3/0123456789abcdef0123456789abcdef"


class _Chain:
    """Answers like these, one after the other, and the last one for ever; its time passes in pauses alone."""

    def __init__(self, *answers: LedgerError | None) -> None:
        self._answers, self.seconds, self.asked = list(answers), 0.0, 0
        self.domain = DOMAIN

    def verify_contract(self) -> None:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is not None:
            raise answer

    def balance(self, address: bytes) -> int:
        return 0

    def pause(self, seconds: float) -> None:
        self.seconds += seconds

    def check(self) -> None:
        check_chain(self, URL, pause=self.pause, clock=lambda: self.seconds)


def test_a_chain_that_comes_in_time_is_waited_for() -> None:
    chain = _Chain(LedgerError("refused"), WrongContractError("nothing there yet"), LedgerError("refused"), None)
    with structlog.testing.capture_logs() as log:
        chain.check()
    assert (chain.asked, [entry["log_level"] for entry in log]) == (4, ["warning"])


def test_a_chain_that_does_not_come_is_named_without_its_key() -> None:
    chain = _Chain(LedgerError("connection refused"))
    with pytest.raises(StartError, match=r"http://chain.invalid/v3/\.\.\. gave no answer for 30 s: conn") as raised:
        chain.check()
    assert chain.seconds == 30 and chain.asked < 20
    assert "secret" not in str(raised.value) and "0123456789abcdef" not in str(raised.value)


def test_what_cannot_come_right_is_not_waited_for() -> None:
    other, wrong = _Chain(WrongChainError("another")), _Chain(WrongContractError("another"))
    with pytest.raises(WrongChainError):
        other.check()
    with pytest.raises(WrongContractError):
        wrong.check()
    assert (other.asked, other.seconds) == (1, 0)
    assert wrong.seconds < 15, "a node may lag behind a deployment, but not for long"


@pytest.mark.parametrize(
    ("answer", "said"), [("0x", "no contract"), ("0x" + "11" * 32, "no HearthLedger"), ("0x11", "no")]
)
def test_a_wrong_address_is_told_from_a_silent_node(answer: str, said: str) -> None:
    with node(by_method(eth_chainId=result(hex(DOMAIN.chain_id)), eth_call=result(answer))) as url:
        with closing(EthereumReader(url, DOMAIN.ledger, chain_id=DOMAIN.chain_id)) as reader:
            with pytest.raises(WrongContractError, match=said):
                reader.verify_contract()


def test_an_account_without_coin_and_authorities_that_are_away_are_said() -> None:
    with (
        structlog.testing.capture_logs() as log,
        closing(CommitteeClient(("http://me:secret@127.0.0.1:9/below",), DOMAIN, Path())) as committee,
    ):
        check_gas(_Chain(None), SIGNER.address)
        committee.identify()
        committee.identify()
    assert [entry["log_level"] for entry in log] == ["warning", "warning"], "each once"
    assert "no coin" in log[0]["event"] and log[1]["url"] == "http://127.0.0.1:9/below"
    assert "secret" not in str(log)


def test_a_store_that_cannot_be_written_ends_and_a_daemon_that_is_away_does_not(tmp_path: Path) -> None:
    check_store(FilesystemStore(tmp_path / "new" / "store"))
    assert list((tmp_path / "new" / "store").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot be written"):
        check_store(FilesystemStore(tmp_path / "file" / "store"))
    with structlog.testing.capture_logs() as log:
        check_store(open_store("http://127.0.0.1:9"))
    assert [entry["log_level"] for entry in log] == ["warning"]


# the servers themselves


def _edge(folder: Path, url: str, domain: Domain, listening: Listening) -> None:
    authorities = ("http://127.0.0.1:9",)
    serve_edge(EdgeSettings(folder / "state", url, domain, str(folder / "store"), authorities, listening), SIGNER)


def _authority(folder: Path, url: str, domain: Domain, listening: Listening) -> None:
    serve_authority(AuthoritySettings(folder / "state", url, domain, listening), SIGNER, seed=None)


Serve = Callable[[Path, str, Domain, Listening], None]


@pytest.mark.parametrize("serve", [_edge, _authority])
def test_nothing_listens_before_everything_is_right(tmp_path: Path, serve: Serve) -> None:
    ready = tmp_path / "ready"
    listening = Listening(0, ready_file=ready)
    state = tmp_path / "state"
    with node(RIGHT) as url:
        with pytest.raises(WrongChainError):
            serve(tmp_path, url, Domain(1, DOMAIN.ledger), listening)
        with open_records(state, None, SIGNER.address), pytest.raises(RecordsBusyError):
            serve(tmp_path, url, DOMAIN, listening)
        with pytest.raises(ListenError):
            serve(tmp_path, url, DOMAIN, Listening(0, "192.0.2.1", ready_file=ready))
        with pytest.raises(ListenError, match="ready file"):
            serve(tmp_path, url, DOMAIN, Listening(0, ready_file=tmp_path / "none" / "ready"))
    assert not ready.exists()


@pytest.mark.parametrize("serve", [_edge, _authority])
def test_credentials_that_cannot_be_used_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    monkeypatch.setenv("HEARTH_CREDENTIALS", str(tmp_path / "none"))
    with pytest.raises(MalformedError, match="HEARTH_CREDENTIALS"):
        serve(tmp_path, "http://127.0.0.1:9", DOMAIN, Listening(0))


def test_a_broken_policy_ends_an_authority(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "policy.toml").write_text("[gas]\nmax_prize = 1\n")
    with pytest.raises(HearthError, match="max_prize"):
        _authority(tmp_path, "http://127.0.0.1:9", DOMAIN, Listening(0))
