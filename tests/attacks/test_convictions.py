"""What a contract can check, from the audit's proof file to the lost bond, on a real chain with the real commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from protocol.audit.report import Line, Status
from protocol.identifiers import to_hex
from protocol.incentives.rewards import total_owed
from protocol.messages.chain import BondForfeited
from protocol.messages.keys import SignedPartialKey
from protocol.messages.settlement import Allocation, RoundRecord
from protocol.messages.submission import SignedCommitment
from protocol.messages.task import DepositTerms
from protocol.round.state_table import RoundState
from protocol.signing import address_of, sign
from scripts.cli import app
from scripts.commands.auditor import run_audit
from storage.ledger.keystore import write_keystore
from storage.ledger.proof_file import read_proof
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.samples import private_key, sample_spec
from tests.tiny_task import CLIENTS, authority_key, funded_ledger

EDGE_BOND, AUTHORITY_BOND = 6_001, 303
REWARDS = sample_spec().rewards
Leaves = tuple[SignedCommitment, ...]


@dataclass
class Reporter:
    """Somebody with the two commands, an account of its own and a copy of the content."""

    player: Player
    folder: Path

    def __post_init__(self) -> None:
        key = private_key("reporter")
        self.address = address_of(key)
        self.player.chain.fund(self.player.reader.ledger, self.address)
        write_keystore(self.folder / "keystore", key, "secret")
        (self.folder / "password").write_text("secret")
        (self.folder / "content").mkdir()

    def _run(self, *arguments: str | Path) -> Result:
        node = ["--rpc-url", self.player.chain.rpc_url, "--ledger", str(self.player.domain)]
        return CliRunner().invoke(app, [*map(str, arguments), *node])

    def audit(self) -> dict[str, Path]:
        """The proof files that the command writes and names, by kind."""
        for text, data in self.player.store.objects.items():
            (self.folder / "content" / text).write_bytes(data)
        proofs = self.folder / f"proofs of {self.player.reader.block_number()}"
        done = self._run(
            "audit", "--store", self.folder / "content", "--task", str(self.player.task), "--proofs", proofs
        )
        assert done.exit_code == 1, done.output
        named = [Path(line.removeprefix("proof: ")) for line in done.output.splitlines() if line.startswith("proof: ")]
        assert sorted(named) == sorted(proofs.iterdir())
        return {read_proof(path).kind: path for path in named}

    def dispute(self, path: Path) -> Result:
        account: list[str | Path] = [
            "--keystore",
            self.folder / "keystore",
            "--password-file",
            self.folder / "password",
        ]
        return self._run("dispute", path, *account)


def _two_keys(player: Player, record: RoundRecord) -> RoundRecord:
    """Authority 1 signed a second share, and the edge server puts it on record."""
    statement = replace(record.keys[0].statement, residues=player.put(b"another share"))
    second = SignedPartialKey(statement, sign(player.domain, statement, authority_key(1)))
    return replace(record, accused=(second,))


def _forged(leaves: Leaves) -> Leaves:
    return (replace(leaves[0], signature=leaves[1].signature), *leaves[1:])


def _swapped(leaves: Leaves) -> Leaves:
    return (leaves[1], leaves[0], *leaves[2:])


def _failed(player: Player) -> list[Line]:
    return [line for line in run_audit(player.reader, player.store, player.task).lines if line.status is Status.FAIL]


def _with_unplanned(player: Player, leaves: Leaves) -> Leaves:
    """Client 4 has left, and signs all the same."""
    outsider = player.households[4]
    commitment = replace(leaves[0].commitment, client=outsider.address)
    made = SignedCommitment(commitment, sign(player.domain, commitment, outsider.private_key))
    return tuple(sorted((*leaves, made), key=lambda signed: signed.commitment.client))


def _lowered(allocation: Allocation) -> Allocation:
    """In favour of the second one."""
    poor, rich, *others = allocation.entitlements
    pair = replace(poor, cumulative=0), replace(rich, cumulative=rich.cumulative + poor.cumulative)
    return replace(allocation, entitlements=(*pair, *others))


def test_from_a_breach_to_a_lost_bond(tmp_path: Path) -> None:
    player = Player(funded_ledger("convicted"), rounds=3, deposits=DepositTerms(EDGE_BOND, AUTHORITY_BOND, 0))
    reporter, (edge, authority) = Reporter(player, tmp_path), (player.edge.sender, address_of(authority_key(1)))
    player.play(1, Conduct())

    player.play(2, Conduct(lies={"record": lambda record: _two_keys(player, record)}))
    standing = player.allocation
    before = _failed(player)
    assert {(line.number, line.subject) for line in before} == {(25, "round 2")}
    (path,) = reporter.audit().values()
    found = read_proof(path)
    assert (found.kind, found.task, found.round, found.culprit) == ("twoKeys", player.task, 2, authority)
    done = reporter.dispute(path)
    assert done.exit_code == 0, done.output
    assert f"{to_hex(authority)} lost its role and its bond of 303: 151 of it are yours" in done.output
    assert "frozen" not in done.output, "an authority's breach costs no client anything"
    assert player.reader.round(player.task, 2).state is RoundState.PUBLISHED
    assert player.reader.bond(player.task, authority).amount == 0
    assert _failed(player) == before, "the money is as right as before"

    lie = {"batch": lambda batch: replace(batch, commitments=_forged(_swapped(batch.commitments)))}
    player.play(3, Conduct(lies=lie))
    proofs = reporter.audit()
    assert sorted(proofs) == ["badLeaf", "disorder", "twoKeys"]
    assert read_proof(proofs["disorder"]).culprit == edge
    done = reporter.dispute(proofs["badLeaf"])
    owed = CLIENTS * (REWARDS.participation + REWARDS.contribution)
    assert f"its bond of {EDGE_BOND}: {(EDGE_BOND - owed) // 2} of it are yours" in done.output
    again = reporter.dispute(proofs["disorder"])
    assert (again.exit_code, again.stdout) == (1, f"refused: NotAccused({to_hex(edge)})\n")
    assert player.reader.round(player.task, 3).state is RoundState.FROZEN
    forfeits = [event for event in player.reader.events(player.task) if isinstance(event, BondForfeited)]
    assert [(event.holder, event.reporter, event.amount, event.share) for event in forfeits] == [
        (authority, reporter.address, AUTHORITY_BOND, 151), (edge, reporter.address, EDGE_BOND, 500),
    ]  # fmt: skip

    player.allocation = standing
    player.claim(0, 1, 2, 3, 4)
    forged = player.delivered[3][1].commitments[0].commitment.client
    honest = [number for number, household in enumerate(player.households) if household.address != forged]
    player.compensate(3, *honest)
    player.refund()
    view = player.reader.task(player.task)
    assert view.reserved == owed // CLIENTS, "of whoever cannot prove its commitment"
    assert view.escrow == view.reserved + total_owed(standing) - view.claimed
    player.pass_claim_deadline()
    player.refund()
    assert player.reader.task(player.task).escrow == 0
    assert {(line.number, line.subject) for line in _failed(player)} == {(25, "round 2"), (10, "round 3")}


BREACHES: Mapping[str, Callable[[Player], Conduct]] = {
    "unplannedLeaf": lambda player: Conduct(
        leaving=(4,),
        silent=(0,),
        lies={"batch": lambda batch: replace(batch, commitments=_with_unplanned(player, batch.commitments))},
    ),
    "loweredLeaf": lambda _: Conduct(lies={"allocation": _lowered}),
    "overAllocated": lambda _: Conduct(lies={"publication": lambda one: replace(one, allocated=one.allocated - 1)}),
}


@pytest.mark.parametrize("kind", BREACHES)
def test_what_the_audit_files_the_judge_believes(kind: str, tmp_path: Path) -> None:
    player = Player(funded_ledger(f"breach {kind}"), rounds=2)
    reporter = Reporter(player, tmp_path)
    player.play(1, Conduct())
    player.play(2, BREACHES[kind](player))
    proofs = reporter.audit()
    done = reporter.dispute(proofs[kind])
    assert done.exit_code == 0, done.output
    assert player.reader.round(player.task, 2).state is RoundState.FROZEN
    assert player.reader.bond(player.task, player.edge.sender).role == 0
    assert not {line.number for line in _failed(player)} & {22, 23, 24}, "the money is right"
