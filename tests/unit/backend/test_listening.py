"""Where a server listens: a port of an address of either kind, or a unix socket; what stands in the way is a line."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from backend.connections import DEFAULT_LIMITS
from backend.listening import MOST_FILES, ListenError, Listening, limits_within, listening_socket, url_of
from tests.unit.backend.served import head, serving, status


@pytest.mark.parametrize(
    ("host", "begins", "local"),
    [
        ("127.0.0.1", "http://127.0.0.1:", True),
        ("localhost", "http://", True),
        ("::1", "http://[::1]:", True),
        ("[::1]", "http://[::1]:", True),
        ("0.0.0.0", "http://0.0.0.0:", False),
        ("::", "http://[::]:", False),
    ],
)
def test_an_address_of_either_kind(host: str, begins: str, local: bool) -> None:
    listening = Listening(0, host)
    with listening_socket(listening) as opened:
        assert url_of(opened).startswith(begins)
        with pytest.raises(ListenError, match="in use"), listening_socket(Listening(opened.getsockname()[1], host)):
            pass
    assert listening.is_local is local


@pytest.mark.parametrize("host", ["no.such.host.invalid", "", "192.0.2.1", "a" * 300, "\0"])
def test_an_address_that_is_not_of_this_machine(host: str) -> None:
    with pytest.raises(ListenError, match="--host") as raised, listening_socket(Listening(0, host)):
        pass
    assert "\n" not in str(raised.value)


def test_a_unix_socket_serves_its_owner_and_group_and_is_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with serving(DEFAULT_LIMITS, uds=path):
        assert path.stat().st_mode & 0o777 == 0o660
        with socket.socket(socket.AF_UNIX) as opened:
            opened.connect(str(path))
            opened.sendall(head("/now"))
            assert status(opened)[0] == 200
        with pytest.raises(ListenError, match="in use"), listening_socket(Listening(0, uds=path)):
            pass
    assert not path.exists()


def test_the_socket_of_a_server_that_was_killed_is_replaced_and_no_other_file(tmp_path: Path) -> None:
    stale, file = tmp_path / "stale", tmp_path / "file"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(stale))
    with listening_socket(Listening(0, uds=stale)) as opened:
        assert url_of(opened) == f"unix:{stale}"
    file.write_text("kept")
    for path in (file, tmp_path / "no folder" / "socket", tmp_path / ("x" * 200)):
        with pytest.raises(ListenError, match="--uds"), listening_socket(Listening(0, uds=path)):
            pass
    assert file.read_text() == "kept"


def test_a_process_that_may_open_few_files_serves_fewer() -> None:
    assert limits_within(DEFAULT_LIMITS, MOST_FILES) == DEFAULT_LIMITS
    few = limits_within(DEFAULT_LIMITS, 1024)
    assert few.waiting + few.requests + few.polls <= 1024 - 128
    assert few.head_seconds == DEFAULT_LIMITS.head_seconds
