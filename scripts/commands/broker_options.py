"""Options of commands that speak to an MQTT broker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from protocol.errors import MalformedError
from scripts.commands.outcome import reason
from storage.bounded_file import read_bounded

if TYPE_CHECKING:
    from client_agent.data.intake.broker import Broker
    from client_agent.data.intake.findings import AnyConvention
    from client_agent.data.intake.plugs import Limits

MAX_PASSWORD_BYTES: Final = 1024


def url_option(what: str) -> Any:
    return typer.Option("--broker", metavar="URL", parser=lambda text: _broker(text), help=what)


def password_option(name: str) -> Any:
    return typer.Option(name, exists=True, dir_okay=False, help="file with the password of the broker's user")


def ca_option(*names: str) -> Any:
    what = "certificates (PEM) that vouch for the broker; else the system's"
    return typer.Option(*names, exists=True, dir_okay=False, help=what)


BrokerUrl = Annotated[str, url_option("mqtt://[user@]host[:port], or mqtts:// for TLS")]
PasswordFile = Annotated[Path | None, password_option("--password-file")]
CaFile = Annotated[Path | None, ca_option("--ca-file")]
MqttVersion = Annotated[
    str | None, typer.Option("--mqtt", metavar="VERSION", help="5 or 3.1.1; else whichever the broker speaks")
]
Conventions = Annotated[
    list[str] | None,
    typer.Option(
        "--convention",
        metavar="NAME[=BASE]",
        help="how the plugs talk: tasmota, shelly, shelly1, zigbee2mqtt, statestream, discovery; repeat for each;"
        " without it, all of them",
    ),
]
KeepDays = Annotated[int, typer.Option(min=1, max=3650, help="readings that are older are deleted")]
MaxMegabytes = Annotated[int, typer.Option(min=1, max=1_000_000, help="of readings; then the oldest are deleted")]
Replayed = Annotated[
    bool, typer.Option("--replayed", help="the time is what hearth household simulate says: for demonstrations")
]
KEEP_DAYS, MAX_MEGABYTES = 90, 512  # without the options


def limits_of(keep_days: int, max_megabytes: int) -> Limits:
    from client_agent.data.intake.plugs import Limits

    return Limits(keep_days, max_megabytes * 1024 * 1024)


def conventions_asked(names: list[str] | None) -> tuple[AnyConvention, ...]:
    """Raises BadParameter for one that there is not."""
    from client_agent.data.intake.conventions import NAMES, conventions_of

    try:
        return conventions_of(names or NAMES)
    except MalformedError as error:
        raise typer.BadParameter(f"--convention {error.args[0]}") from error


def broker_of(url: str, password_file: Path | None, ca_file: Path | None, version: str | None) -> Broker:
    """Raises BadParameter for options that do not fit together."""
    from client_agent.data.intake.broker import VERSIONS, parse_broker

    broker = parse_broker(url)
    if version is not None and version not in VERSIONS:
        raise typer.BadParameter(f"--mqtt {version[:20]}: {' or '.join(VERSIONS)}")
    if ca_file is not None and not broker.tls:
        raise typer.BadParameter("certificates of a broker: its address begins with mqtts:// where TLS is meant")
    if password_file is not None and broker.user is None:
        raise typer.BadParameter("password of a broker's user: the address names the user, as in mqtt://user@host")
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
