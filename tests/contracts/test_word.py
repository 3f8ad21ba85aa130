"""The word that the ledger keeps for each task.

given two tasks
    when anything happens to one of them
        should keep the word of exactly its events, as their logs are on chain, and of their instants
        should leave the other's word alone
given two histories that differ in one instant, in the order of two events or in one of them
    should keep different words
"""

from __future__ import annotations

from collections.abc import Callable

from protocol.identifiers import Digest
from protocol.keccak import keccak
from tests.contracts.accusations import keys
from tests.contracts.scene import ROOT, Scene


def words(scene: Scene) -> dict[int, Digest]:
    """By task, from the logs of all blocks."""
    found: dict[int, Digest] = {}
    for mined in scene.ledger.chain.blocks:
        for log in mined.receipt.logs if mined.receipt else ():
            task, topics = log.topics[1], [topic.to_bytes(32, "big") for topic in log.topics]
            instant = mined.header.timestamp.to_bytes(32, "big")
            said = keccak(b"".join(topics) + keccak(log.data))
            found[task] = keccak(found.get(task, bytes(32)) + instant + said)
    return found


def shown(scene: Scene) -> dict[int, Digest]:
    return {task: scene.ledger.task_view(task).word for task in range(1, scene.ledger.view("taskCount") + 1)}


def test_should_keep_the_word_of_every_event_of_the_task_alone(deployed: Scene) -> None:
    ledger = deployed.ledger
    deployed.post(edge_bond=11, authority_bond=13, dispute_seconds=50)
    assert shown(deployed) == words(deployed)
    first = shown(deployed)[1]
    other = Scene(ledger, 2)
    other.post()
    assert shown(deployed) == words(deployed) and shown(deployed)[1] == first
    for holder in (*deployed.terms.edge_servers, *deployed.terms.authorities):
        amount = 11 if holder in deployed.terms.edge_servers else 13
        deployed.by(ledger.stranger, "placeBond", 1, holder, value=amount)
    second = shown(deployed)[2]
    deployed.enrol(*deployed.clients)
    deployed.pass_after(ledger.task_view(1).enrol_until)
    deployed.open()
    deployed.by(ledger.stranger, "dispute", keys(deployed, request=ROOT))  # two events of one transaction
    deployed.pass_after(ledger.round_view(1, 1).settle_until)
    deployed.by_edge("expireRound", 1)
    deployed.open(2)
    assert shown(deployed) == words(deployed) and shown(deployed)[2] == second


def test_should_keep_other_words_of_other_histories(enrolled: Scene) -> None:
    ledger = enrolled.ledger

    def after(*steps: Callable[[], object]) -> Digest:
        snapshot = ledger.chain.snapshot()
        for step in steps:
            step()
        word = ledger.task_view(1).word
        ledger.chain.revert(snapshot)
        return word

    def wait() -> None:
        ledger.pass_to(ledger.now + 1)

    def leave(client: int) -> Callable[[], object]:
        return lambda: enrolled.by(ledger.stranger, "leave", *enrolled.leave_call(enrolled.clients[client]))

    told = [after(), after(leave(0)), after(leave(1)), after(leave(0), leave(1)), after(leave(1), leave(0))]
    told += [after(wait, leave(0)), after(leave(0), wait, leave(1))]
    assert len(set(told)) == len(told)
    assert after(wait) == told[0]
