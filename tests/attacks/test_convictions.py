"""What a contract can check, from the audit's proof file to the lost bond, on a real chain with the real commands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from typer.testing import CliRunner, Result

from protocol.audit.report import Line, Status
from protocol.identifiers import to_hex
from protocol.incentives.rewards import total_owed
from protocol.messages.chain import BondForfeited
from protocol.messages.keys import SignedPartialKey
from protocol.messages.settlement import RoundRecord
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
from tests.samples import private_key
from tests.tiny_task import authority_key, funded_ledger

EDGE_BOND, AUTHORITY_BOND = 501, 303
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


def test_from_a_breach_to_a_lost_bond(tmp_path: Path) -> None:
    player = Player(funded_ledger("convicted"), rounds=3, deposits=DepositTerms(EDGE_BOND, AUTHORITY_BOND, 0))
    reporter, (edge, authority) = Reporter(player, tmp_path), (player.edge.sender, address_of(authority_key(1)))
    player.play(1, Conduct())
    standing = player.allocation

    player.play(2, Conduct(lies={"record": lambda record: _two_keys(player, record)}))
    before = _failed(player)
    assert {(line.number, line.subject) for line in before} == {(25, "round 2")}
    (path,) = reporter.audit().values()
    found = read_proof(path)
    assert (found.kind, found.task, found.round, found.culprit) == ("twoKeys", player.task, 2, authority)
    done = reporter.dispute(path)
    assert done.exit_code == 0, done.output
    assert "round 2 of task 1 is frozen" in done.output
    assert f"{to_hex(authority)} lost its role and its bond of 303: 151 of it are yours" in done.output
    assert player.reader.round(player.task, 2).state is RoundState.FROZEN
    assert player.reader.bond(player.task, authority).amount == 0
    assert _failed(player) == before, "the money is as right as before"

    player.allocation = standing
    lie = {"batch": lambda batch: replace(batch, commitments=_forged(_swapped(batch.commitments)))}
    player.play(3, Conduct(lies=lie))
    proofs = reporter.audit()
    assert sorted(proofs) == ["badLeaf", "disorder", "twoKeys"]
    assert read_proof(proofs["disorder"]).culprit == edge
    assert reporter.dispute(proofs["badLeaf"]).exit_code == 0
    again = reporter.dispute(proofs["disorder"])
    assert (again.exit_code, again.output) == (1, f"refused: NotAccused({to_hex(edge)})\n")
    assert player.reader.round(player.task, 3).state is RoundState.FROZEN
    forfeits = [event for event in player.reader.events(player.task) if isinstance(event, BondForfeited)]
    assert [(event.holder, event.reporter, event.amount) for event in forfeits] == [
        (authority, reporter.address, AUTHORITY_BOND), (edge, reporter.address, EDGE_BOND),
    ]  # fmt: skip

    player.allocation = standing
    player.claim(0, 1, 2, 3, 4)
    player.refund()
    view = player.reader.task(player.task)
    assert (view.escrow, view.claimed) == (0, total_owed(standing))
    assert {(line.number, line.subject) for line in _failed(player)} == {(25, "round 2"), (10, "round 3")}
