"""What an operator says of where a server listens reaches the server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from backend.connections import DEFAULT_LIMITS
from backend.listening import LOOPBACK, Listening
from scripts.commands.roles import serve
from storage.ledger.keystore import write_keystore
from tests.samples import private_key

SAID = ["--port", "7", "--host", "::1", "--trusted-proxy", "192.0.2.1", "--trusted-proxy", "192.0.2.2"]
MORE = replace(DEFAULT_LIMITS, requests_of_one=2000, requests=2000)


@pytest.mark.parametrize(
    ("role", "server", "port"),
    [("edge", "backend.main.serve_edge", 8000), ("authority", "backend.key_authority.main.serve_authority", 8100)],
)
def test_where_a_server_listens(tmp_path: Path, role: str, server: str, port: int) -> None:
    write_keystore(tmp_path / "key", private_key("listening"), "secret")
    (tmp_path / "password").write_text("secret")
    own = ["--keystore", str(tmp_path / "key"), "--password-file", str(tmp_path / "password"), "--folder", "state"]
    chain = ["--rpc-url", "http://127.0.0.1:9", "--ledger", "31337:0x" + "11" * 20]
    content = ["--store", "store", "--authority", "http://127.0.0.1:9"] if role == "edge" else []
    expected = {
        (): Listening(port),
        (*SAID, "--requests-per-address", "2000"): Listening(7, "::1", None, ("192.0.2.1", "192.0.2.2"), MORE),
        ("--uds", "socket"): Listening(port, uds=Path("socket"), trusted_proxies=LOOPBACK),
    }
    for options, listening in expected.items():
        with mock.patch(server) as serving:
            ended = CliRunner().invoke(serve, [role, *chain, *own, *content, *options])
        assert ended.exit_code == 0, ended.output
        assert serving.call_args.args[0].listening == listening
    for wrong in ("300.1.1.1", "proxy", ""):
        with mock.patch(server) as serving:
            ended = CliRunner().invoke(serve, [role, *chain, *own, *content, "--trusted-proxy", wrong])
        assert (ended.exit_code, serving.called) == (2, False)
