"""Every command that a Compose file, a manifest or the Dockerfile gives exists, with its options."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import typer

from scripts.cli import app
from tests.docker.described import commands, containers, services

TREE: Final = typer.main.get_command(app)
SECRET: Final = re.compile(r"password|secret|token|credential|private|_key\b|keystore", re.IGNORECASE)
# options whose value is the file of a secret
OF_SECRETS: Final = ("--keystore", "--password-file", "--database-password-file", "--broker-password-file")
ALL: Final = list(commands())


def test_there_are_commands() -> None:
    assert {words[0] for _, words in ALL} >= {"serve", "agent", "household", "audit", "deploy", "task", "testnet"}
    assert len(ALL) > 25


@pytest.mark.parametrize(("name", "words"), ALL, ids=[f"{name}: {' '.join(words[:2])}" for name, words in ALL])
def test_every_command_and_option_exists(name: str, words: list[str]) -> None:
    command: Any = TREE
    words = list(words)
    while hasattr(command, "commands") and words[0] != "--help":
        command = command.commands[words.pop(0)]
    options = {option: one for one in command.params for option in one.opts}
    given = set()
    while words:
        word = words.pop(0)
        if word in ("--help", "-h"):
            return
        if not word.startswith("--"):
            continue
        option, _, value = word.partition("=")
        assert option in options, f"{name}: {option}"
        given.add(options[option].name)
        if not options[option].is_flag:
            value = value or words.pop(0)
            if option in OF_SECRETS:
                assert value.startswith("/run/secrets/") or value in ("keystore.json", "password"), f"{name}: {value}"
    for one in command.params:
        in_environment = one.envvar is not None  # of the service, in both files
        assert not one.required or one.param_type_name == "argument" or one.name in given or in_environment, one.name


def test_no_secret_is_in_a_variable_or_on_a_command_line() -> None:
    for name, service in services().items():
        for variable, value in (service.get("environment") or {}).items():
            assert not SECRET.search(variable) or variable.endswith("_FILE"), f"{name}: {variable}"
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{name}: {variable}"
    for name, container in containers():
        assert "env" not in container, name
        assert [list(one) for one in container["envFrom"]] == [["configMapRef"]], f"{name}: a secret is no variable"
    for name, words in ALL:
        assert not any(re.search(r"://[^/@]*:[^/@]*@", word) for word in words), name
