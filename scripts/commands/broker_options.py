"""Options of commands that speak to an MQTT broker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from protocol.errors import MalformedError
from scripts.commands.outcome import reason
from storage.bounded_file import read_bounded

if TYPE_CHECKING:
    from client_agent.data.intake.broker import Broker

MAX_PASSWORD_BYTES: Final = 1024

BrokerUrl = Annotated[
    str,
    typer.Option(
        metavar="URL", parser=lambda text: _broker(text), help="mqtt://[user@]host[:port], or mqtts:// for TLS"
    ),
]
PasswordFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="file with the password of the broker's user")
]
CaFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="certificates (PEM) that vouch for the broker; else the system's"),
]
MqttVersion = Annotated[
    str | None, typer.Option("--mqtt", metavar="VERSION", help="5 or 3.1.1; else whichever the broker speaks")
]


def broker_of(url: str, password_file: Path | None, ca_file: Path | None, version: str | None) -> Broker:
    """Raises BadParameter for options that do not fit together."""
    from client_agent.data.intake.broker import VERSIONS, parse_broker

    broker = parse_broker(url)
    if version is not None and version not in VERSIONS:
        raise typer.BadParameter(f"--mqtt {version[:20]}: {' or '.join(VERSIONS)}")
    if ca_file is not None and not broker.tls:
        raise typer.BadParameter("--ca-file: the broker's address begins with mqtts:// where TLS is meant")
    if password_file is not None and broker.user is None:
        raise typer.BadParameter("--password-file: the broker's address names the user, as in mqtt://user@host")
    password = None if password_file is None else _password(password_file)
    return replace(broker, password=password, authorities=ca_file, version=version)


def _broker(text: str) -> str:
    from client_agent.data.intake.broker import parse_broker

    try:
        parse_broker(text)
    except MalformedError as error:
        raise typer.BadParameter(error.args[0]) from error
    return text


def _password(path: Path) -> str:
    try:
        return read_bounded(path, MAX_PASSWORD_BYTES).decode().rstrip("\r\n")
    except OSError as error:
        raise typer.BadParameter(f"{path}: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{path}: no text in UTF-8") from error
