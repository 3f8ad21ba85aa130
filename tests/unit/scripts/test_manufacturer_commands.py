"""``hearth task`` and ``hearth model`` as a manufacturer runs them: what is printed, what is written, how they end."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from protocol.canonical import decode
from protocol.messages.chain import RoundPublished
from protocol.messages.learning import ModelSpec
from protocol.round.planning import terms_of
from scripts import outermost
from scripts.cli import app
from scripts.commands import posting
from scripts.commands.outcome import Outcome
from storage.content.filesystem import FilesystemStore
from storage.content.interface import get_document
from storage.ledger.ethereum.calls import prepare_post_task
from storage.ledger.keystore import write_keystore
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.ports.chains import running_chain
from tests.samples import private_key
from tests.tiny_task import funded_ledger
from tests.unit.scripts.test_posting import MANUFACTURER, written

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, standard output and standard error of ``hearth ARGUMENTS``."""

    def command(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = outermost.run(typer.main.get_command(app), [str(one) for one in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


def line_of(path: Path, beginning: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if line.startswith(beginning))


def test_check_says_what_a_task_costs_and_what_comes_next(run: Run, tmp_path: Path) -> None:
    changes = ("rounds = 10 ", "rounds = 12 "), ("epsilon_budget = 8.0", "epsilon_budget = 4.0")
    code, out, err = run("task", "check", written(tmp_path, *changes))
    assert (code, err) == (Outcome.OK, "")
    for fact in ("4 examples", "escrow: 1200000000000000 wei", "epsilon 4.", "1 times 60000000000000, 5 times 0"):
        assert fact in out
    assert "note: privacy.epsilon_budget: pays 10 of 12 rounds" in out
    *_, last = out.splitlines()
    assert shlex.split(last)[:4] == ["hearth", "task", "post", f"{tmp_path}/my task.toml"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_text(""), "nothing is in it; `hearth task init` writes"),
        (lambda path: path.write_text("[task"), "line 1, column 6"),
    ],
)
def test_a_file_that_is_none_is_one_line(made: Callable[[Path], Any], said: str, run: Run, tmp_path: Path) -> None:
    made(tmp_path / "task.toml")
    code, out, err = run("task", "check", tmp_path / "task.toml")
    assert (code, out) == (Outcome.USAGE, "")
    assert said in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda path: path.unlink(), "test-set.safetensors: No such file"),
        (lambda path: (path.unlink(), path.mkdir()), "test-set.safetensors: Is a directory"),
        (lambda path: path.write_bytes(b"rubbish"), "not a file of examples"),
    ],
)
def test_a_test_set_that_is_none_is_named_with_its_line(
    made: Callable[[Path], Any], said: str, run: Run, tmp_path: Path
) -> None:
    path = written(tmp_path)
    made(tmp_path / "test-set.safetensors")
    code, _, err = run("task", "check", path)
    assert code == Outcome.USAGE
    assert f"line {line_of(path, 'test_set = ')}: files.test_set: " in err and said in err


def test_a_test_set_has_to_fit_the_model(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path, ("classes = 10 ", "classes = 3 "), ("outputs = 10", "outputs = 3"))
    code, _, err = run("task", "check", path)
    assert code == Outcome.USAGE and "label 3 where the model has 3 classes" in err


def test_an_initial_model_has_to_be_of_the_layers(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path, ('# initial_model = "model', 'initial_model = "test-set'))
    code, _, err = run("task", "check", path)
    assert code == Outcome.USAGE and f"line {line_of(path, 'initial_model = ')}: files.initial_model: " in err


@pytest.mark.parametrize("url", ["authority.example", "http://[::1", "http://127.0.0.1:0", "http://a:99999", "ftp://a"])
def test_what_is_no_url_is_said_so(url: str, run: Run, tmp_path: Path) -> None:
    path = written(tmp_path, ("address = ", f'url = "{url}" }}, {{ address = '))
    code, _, err = run("task", "check", path)
    assert code == Outcome.USAGE and "committee.members[0].url: " in err and "is no URL" in err


def test_post_waits_for_nothing_that_it_does_not_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = running_chain("memory")
    address = chain.deploy()
    chain.fund(address, MANUFACTURER.address)
    monkeypatch.setattr(
        posting, "prepare_call", lambda _, spec: prepare_post_task(address, terms_of(spec), spec.budget())
    )
    keystore, password, store = tmp_path / "keystore", tmp_path / "password", tmp_path / "the store"
    password.write_text("secret")
    write_keystore(keystore, private_key("posting manufacturer"), "secret")
    ledger = f"{chain.chain_id()}:0x{address.hex()}"
    where = ["--rpc-url", chain.rpc_url, "--ledger", ledger]
    sign = ["--keystore", keystore, "--password-file", password, "--edge", "http://edge", "--no-wait"]
    result = tmp_path / "result.json"
    code, out, _ = run("task", "post", written(tmp_path), *where, *sign, "--store", store, "--json", result)
    assert code == Outcome.OK
    assert json.loads(result.read_text())["task"] == 1
    assert "not waited for 3 blocks upon it" in out
    (command,) = (line for line in out.splitlines() if line.startswith("  hearth task status"))
    monkeypatch.setenv("HEARTH_STORE", str(store))
    code, again, _ = run("task", "post", written(tmp_path), *where, *sign)
    assert code == Outcome.OK and "task 1 is this very task, posted before: nothing was sent" in again
    assert str(store) not in again, "the environment says it already"

    code, out, _ = run(*shlex.split(command)[1:])
    assert code == Outcome.OK and "state: enrolling" in out
    code, _, err = run("task", "status", *where, "--task", 2)
    assert code == Outcome.FAILED and "there is no task 2 on this ledger; its tasks are 1 to 1" in err
    code, _, err = run("model", "fetch", *where, "--store", store, "--task", 1, "--out", tmp_path / "m")
    assert code == Outcome.FAILED and "task 1 has published no model yet" in err
    assert not (tmp_path / "m").exists()


def test_a_model_and_its_layers_have_a_file_each(run: Run, tmp_path: Path) -> None:
    player = Player(funded_ledger("model fetch"), rounds=2)
    player.play(1, Conduct())
    (model,) = (event.model for event in player.reader.events(player.task) if isinstance(event, RoundPublished))
    store = FilesystemStore(tmp_path / "store")
    parameters = get_document(player.store, model, 10_000)
    store.put(parameters)
    store.put(get_document(player.store, player.reader.task(player.task).spec, 100_000))
    where = ["--rpc-url", player.chain.rpc_url, "--ledger", str(player.domain), "--task", player.task]
    fetch = ["model", "fetch", *where, "--store", tmp_path / "store"]
    out, layers = tmp_path / "m.json", tmp_path / "layers.json"

    assert run(*fetch, "--out", out)[0] == Outcome.OK
    assert out.read_bytes() == parameters
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.json", "store"]
    code, said, _ = run(*fetch, "--out", out, "--layers", layers)
    assert code == Outcome.OK and str(layers) in said
    assert decode(ModelSpec, layers.read_bytes()) == player.spec.model
    assert out.read_bytes() == parameters

    assert run(*fetch, "--out", out, "--layers", out)[0] == Outcome.OUTPUT
    assert run(*fetch, "--out", tmp_path / "nowhere" / "m")[0] == Outcome.OUTPUT
    code, _, err = run(*fetch, "--out", layers, "--round", 2)
    assert code == Outcome.FAILED and "round 2 of task" in err and "rounds 1 did" in err
    assert decode(ModelSpec, layers.read_bytes()) == player.spec.model, "what was there stays"
