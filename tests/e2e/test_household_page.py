"""A household's page as its owner runs it, in a whole task of processes: it says yes there, is killed, and is paid."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx2

from protocol.invitation import Invitation
from scripts.demonstration.data import households_of
from scripts.demonstration.policies import phone_policy
from scripts.demonstration.processes import RoleProcess, Stage
from scripts.demonstration.run import DemoOptions, post_task, start_agent, start_infrastructure
from scripts.demonstration.stage import DemoStage, client_name
from storage.ledger.ethereum.reader import EthereumReader

CLIENTS, ROUNDS = 4, 2
OWN = client_name(CLIENTS - 1)
PATIENCE_SECONDS = 240.0


class Page:
    """What its owner's browser does, without a script."""

    def __init__(self, link: str) -> None:
        self.origin = link.partition("/open")[0]
        self.client = httpx2.Client(base_url=self.origin, follow_redirects=True, timeout=30.0)
        self.text = self.client.get(link).text

    def get(self, path: str) -> str:
        self.text = self.client.get(path).text
        return self.text

    def send(self, path: str, **fields: str) -> str:
        token = re.search(r'name="csrf" value="([^"]+)"', self.text)
        assert token is not None
        answer = self.client.post(path, data={"csrf": token[1], **fields})
        assert answer.status_code == 200, answer.text
        self.text = answer.text
        return self.text


def await_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.2)


def start_page(stage: DemoStage) -> tuple[RoleProcess, Page]:
    folder = stage.folder(OWN)
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    process = stage.processes.start(
        OWN,
        [
            "household", "serve", "--household", str(folder / "household"), "--rpc-url", stage.rpc_url,
            "--ledger", str(stage.domain), "--store", str(stage.store), "--keystore", str(folder / "keystore.json"),
            "--password-file", str(folder / "password"), "--data", str(folder / "household.safetensors"),
            "--port", "0", "--ready-file", str(ready), "--poll-seconds", "0.2",
        ],
        folder,
        (),
    )  # fmt: skip
    return process, Page(process.ready(ready))


def prepare_household(stage: DemoStage, examples: bytes) -> None:
    folder = stage.folder(OWN)
    (folder / "household.safetensors").write_bytes(examples)
    (folder / "household").mkdir()
    known = [address for name, address in stage.addresses.items() if name.startswith("authority-")]
    policy = phone_policy(stage.domain, known, stage.min_clients, stage.max_stake, stage.mechanism)
    (folder / "household" / "policy.toml").write_text(policy)


def test_a_household_says_yes_on_its_page_is_killed_and_is_paid(tmp_path: Path) -> None:
    options = DemoOptions("digits", CLIENTS, ROUNDS, "memory", 3, None, None)
    with Stage() as processes:
        stage = DemoStage(tmp_path / "demo", processes, 3)
        data = households_of("digits", CLIENTS)
        start_infrastructure(stage, options)
        post_task(stage, options, data)
        for number in range(CLIENTS - 1):
            start_agent(stage, number, data.households[number])
        prepare_household(stage, data.households[CLIENTS - 1])
        process, page = start_page(stage)
        reader = EthereumReader(stage.rpc_url, stage.domain.ledger)
        urls = (stage.edge_url, *stage.substitute_urls)
        invitation = Invitation(stage.domain, stage.task, reader.task(stage.task).spec, urls)

        page.get("/tasks/find")
        task = f"/tasks/{stage.task}"
        page.send("/tasks/join", invitation=str(invitation))
        await_until(lambda: 'name="answer"' in page.get(task))
        assert not any(reader.enrolment(stage.task, stage.addresses[OWN]).envelope)
        page.send(f"{task}/answer", answer="yes")
        await_until(lambda: any(reader.enrolment(stage.task, stage.addresses[OWN]).envelope))

        process.process.kill()
        process.process.wait()
        process, page = start_page(stage)
        await_until(lambda: "It is over." in page.get(task))
        page.get(f"{task}/sent")
        assert "byte for byte" in page.send(f"{task}/sent")
        assert reader.enrolment(stage.task, stage.addresses[OWN]).claimed > 0
        assert "Transaction" in page.get("/earnings")
        process.process.terminate()
        assert process.process.wait(20) == 0
