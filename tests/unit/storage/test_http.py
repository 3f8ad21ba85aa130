"""Every request of every role: by the proxy of the environment, unless it stays on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx2
import pytest

from backend.rounds.committee_client import CommitteeClient
from client_agent.edge_client import EdgeClient
from protocol.errors import HearthError, MalformedError
from scripts.commands.issued_keys import ask_authorities
from scripts.commands.servers import identify_authority
from storage import http
from storage.content.kubo_client import KuboStore
from storage.ledger.ethereum.rpc import JsonRpcProvider
from tests.samples import DOMAIN
from tests.unit.storage.gateway import Gateway, gateway

DEAD = "http://127.0.0.1:9"
FAR = "http://far.invalid:8000/below"  # a name that only a proxy could know


def _rpc(url: str) -> None:
    with closing(JsonRpcProvider(url)) as provider:
        provider.make_request("eth_chainId", [])


def _edge(url: str) -> None:
    with closing(EdgeClient([url], timeout_seconds=5)) as client:
        client.request_claim(1, bytes(20))


def _committee(url: str) -> None:
    with closing(CommitteeClient((url,), DOMAIN, Path())) as client:
        client.identify()


def _store(url: str) -> None:
    with closing(KuboStore(url, 5)) as store:
        store.daemon_version()


USERS: dict[str, Callable[[str], object]] = {
    "chain": _rpc,
    "edge server": _edge,
    "key authorities": _committee,
    "issued keys": lambda url: ask_authorities([url], 1),
    "identity": identify_authority,
    "store": _store,
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT"):
            monkeypatch.delenv(name)


@pytest.fixture
def there() -> Iterator[Gateway]:
    with gateway() as told:
        yield told


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("user", USERS)
def test_what_stays_on_this_machine_needs_no_proxy(
    there: Gateway, monkeypatch: pytest.MonkeyPatch, user: str, host: str
) -> None:
    for name in ("HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, DEAD)
    with suppress(HearthError):  # of the answer, which says nothing
        USERS[user](there.url.replace("127.0.0.1", host))
    assert there.asked


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("user", USERS)
def test_everything_else_goes_by_the_proxy(
    there: Gateway, monkeypatch: pytest.MonkeyPatch, user: str, name: str
) -> None:
    monkeypatch.setenv(name, there.url)
    with suppress(HearthError):
        USERS[user](FAR)
    assert there.asked and all(url.startswith(FAR) for url, _ in there.asked)


@pytest.mark.parametrize(
    ("exceptions", "direct"),
    [
        ("", []),
        ("far.example", ["far.example", "deep.far.example"]),
        (".far.example", ["far.example", "deep.far.example"]),
        ("*.far.example other", ["far.example", "deep.far.example"]),
        ("10.0.0.0/8,fd00::/8", ["10.1.2.3", "[fd00::1]"]),
        ("10.1.2.3", ["10.1.2.3"]),
        ("far.example:8000", []),
        ("far.example:80", ["far.example", "deep.far.example"]),
        ("*", ["far.example", "deep.far.example", "nofar.example", "10.1.2.3", "[fd00::1]"]),
    ],
)
def test_exceptions_are_names_addresses_and_networks(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, direct: list[str]
) -> None:
    monkeypatch.setenv("http_proxy", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)
    hosts = ["far.example", "deep.far.example", "nofar.example", "10.1.2.3", "[fd00::1]"]
    port = ":80" if "far.example:80" in exceptions else ""
    ways = {host: http.proxy_of(f"http://{host}{port}/x") for host in hosts}
    assert ways == {host: None if host in direct else "http://proxy.example:3128" for host in hosts}


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *[(host, True) for host in ("localhost", "LOCALHOST.", "[::1]", "127.9.9.9", "::1", "::ffff:127.0.0.1")],
        *[
            (host, False)
            for host in ("localhost.example", "a.localhost", "128.0.0.1", "::2", "10.0.0.1", "0.0.0.0", "")
        ],
    ],
)
def test_loopback_is_a_name_and_two_networks(host: str, here: bool) -> None:
    assert http.is_loopback(host) is here


def test_a_proxy_that_cannot_be_used_is_named_instead_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for proxy in ("http://name:secret@127.0.0.1:9", "socks5://127.0.0.1:9", "http://[", "nonsense://x"):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        with http.client() as client:
            with pytest.raises(httpx2.HTTPError) as raised:
                client.get(FAR)
        line = http.failure(FAR, raised.value)
        assert "proxy" in line and "secret" not in line and "\n" not in line


def test_certificates_that_are_none_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with http.client() as client, pytest.raises(httpx2.ConnectError, match="SSL_CERT_FILE"):
        client.get("https://127.0.0.1:9")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@rpc.example:8/v3/0123456789abcdef0123456789abcdef?key=x#y", "https://rpc.example:8/v3/..."),
        ("http://[::1]:5/api/v1/tasks/1", "http://[::1]:5/api/v1/tasks/1"),
        ("not a url", "(not a URL)"),
        ("http://[", "(not a URL)"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_key(url: str, shown: str) -> None:
    assert http.shown_url(url) == shown


@pytest.mark.parametrize("url", ["https://a.example/hearth/", "http://[::1]:8000", "http://me:secret@a.example:81/x//"])
def test_a_server_may_stand_behind_tls_a_prefix_or_an_address_of_either_kind(url: str) -> None:
    assert http.server_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        *("", "a.example", "127.0.0.1:8000", "ftp://me:secret@a.example", "http://", "http://a.example:0/"),
        *("http://a.example:70000", "http://a.example?x=1", "http://a b", "http://a\n", "http://[::1", "x" * 5000),
    ],
)
def test_what_is_no_url_of_a_server_is_one_line(url: str) -> None:
    with pytest.raises(MalformedError, match="not the URL") as raised:
        http.server_url(url)
    assert "secret" not in str(raised.value) and len(str(raised.value)) < 300


# credentials


def _credentials(path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)
    monkeypatch.setenv("HEARTH_CREDENTIALS", str(path))


@pytest.mark.parametrize("user", USERS)
def test_the_longest_prefix_gives_the_header(
    there: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: str
) -> None:
    lines = f"# ours\n{there.url} Basic b3V0ZXI=\n\n{there.url}/below/ \tBearer in ner\n{DEAD}/below Bearer other\n"
    _credentials(tmp_path / "file", monkeypatch, lines)
    with suppress(HearthError):
        USERS[user](f"{there.url}/below")
    assert {header for _, header in there.asked} == {"Bearer in ner"}


def test_a_header_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _credentials(tmp_path / "file", monkeypatch, "https://a.example/v3 Bearer secret")
    with http.client() as client:
        given = [
            url
            for url in (
                *("https://a.example/v3", "https://a.example:443/v3/x", "https://a.example/v34", "https://a.example/"),
                *("http://a.example/v3", "https://a.example:8443/v3", "https://a.example.b/v3", "https://b.example/v3"),
            )
            if "authorization" in client.build_request("GET", url).headers
        ]
    assert given == ["https://a.example/v3", "https://a.example:443/v3/x"]


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("https://a.example Bearer secret", 0o640, "chmod 600"),
        ("a.example Bearer secret", 0o600, "line 1"),
        ("\nhttps://me:secret@a.example Bearer secret", 0o600, "line 2"),
        ("https://a.example", 0o600, "line 1"),
        ("#" * 70_000, 0o600, "larger"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, mode: int, why: str
) -> None:
    _credentials(tmp_path / "file", monkeypatch, text, mode)
    with http.client() as client, pytest.raises(MalformedError, match=why) as raised:
        client.get("https://a.example")
    assert "secret" not in str(raised.value)
