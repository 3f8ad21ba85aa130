"""A household's page as its owner runs it, in a whole task of processes: it says yes there, is killed, and is paid."""

from __future__ import annotations

from pathlib import Path

from protocol.invitation import Invitation
from scripts.demonstration.data import households_of
from scripts.demonstration.processes import RoleProcess, Stage
from scripts.demonstration.run import DemoOptions, post_task, start_agent, start_infrastructure
from scripts.demonstration.stage import DemoStage, client_name
from storage.ledger.ethereum.reader import EthereumReader
from tests.e2e.page_owner import Page, await_until

CLIENTS, ROUNDS = 4, 2
OWN = client_name(CLIENTS - 1)


def start_page(stage: DemoStage) -> tuple[RoleProcess, Page]:
    folder = stage.folder(OWN)
    process = stage.start_page(OWN, folder / "household.safetensors")
    return process, Page(process.ready(folder / "ready"))


def test_a_household_says_yes_on_its_page_is_killed_and_is_paid(tmp_path: Path) -> None:
    options = DemoOptions("digits", CLIENTS, ROUNDS, "memory", 3, None, None)
    with Stage() as processes:
        stage = DemoStage(tmp_path / "demo", processes, 3)
        data = households_of("digits", CLIENTS)
        start_infrastructure(stage, options)
        post_task(stage, options, data)
        for number in range(CLIENTS - 1):
            start_agent(stage, number, data.households[number])
        (stage.folder(OWN) / "household.safetensors").write_bytes(data.households[CLIENTS - 1])
        stage.options[OWN] = ["--poll-seconds", "0.2"]
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
        page.send(f"{task}/attack")
        await_until(lambda: "within the promise" in page.get(f"{task}/sent"))
        assert "is there a new round?" in page.text and "more than promised" not in page.text
        assert reader.enrolment(stage.task, stage.addresses[OWN]).claimed > 0
        assert "Transaction" in page.get("/earnings")
        process.process.terminate()
        assert process.process.wait(20) == 0
