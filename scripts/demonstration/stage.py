"""The demonstration's stage: every role's folder, account and command line; no role sees another's secrets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from client_agent.randomness import SystemRandomness
from protocol.domain import Domain
from protocol.identifiers import NATIVE_COIN, Address, to_hex
from protocol.messages.learning import MechanismTerms
from protocol.messages.screening_terms import ABANDON
from protocol.randomness import Randomness, SeededRandomness
from scripts.demonstration.policies import authority_policy, phone_policy
from scripts.demonstration.processes import RoleProcess, Stage
from storage.ledger.keystore import write_keystore
from storage.ledger.signer import Signer

AUTHORITIES = 5


def client_name(number: int) -> str:
    return f"client-{number:02d}"


class DemoStage:
    """``root`` holds one folder for each role and the content store."""

    def __init__(self, root: Path, processes: Stage, seed: int | None) -> None:
        self.root, self.processes, self.seed = root, processes, seed
        self.store = root / "store"
        self.store.mkdir(parents=True)
        self.addresses: dict[str, Address] = {}
        self.edges = ["edge"]  # roles: the acting edge server first, then its substitutes
        self.rpc_url = self.edge_url = ""
        self.substitute_urls: list[str] = []
        self.authority_urls: list[str] = []
        self.domain = Domain(0, NATIVE_COIN)
        self.task = 0
        self.suite = "fe64"
        self.unopened = ABANDON  # what becomes of a screened round that too few authorities open
        self.block = b""  # hash of the one as of which the task was audited
        self.min_clients, self.max_stake = 2, 0  # in the policies
        self.mechanism: MechanismTerms | None = None  # that owners allow besides those of their usual policies
        self.max_bond = 0  # of an edge server
        self.route: Callable[[str, str], str] = lambda _role, url: url  # (role, URL) -> the URL that it is given
        self.launchers: dict[str, list[str]] = {}  # of a role that shall not start as ``hearth``
        self.options: dict[str, list[str]] = {}  # of a role that is told more than the demonstration tells it
        self._ports: dict[str, str] = {}  # of a role that listened before: it comes back where it was
        self._randomness: Randomness = (
            SystemRandomness() if seed is None else SeededRandomness(b"hearth demo" + seed.to_bytes(8, "big"))
        )

    def folder(self, role: str) -> Path:
        path = self.root / role
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def make_account(self, role: str) -> Signer:
        """A key in a keystore that only the role's own folder holds."""
        folder, key = self.folder(role), self._randomness.draw(f"account/{role}", 32)
        password = self._randomness.draw(f"password/{role}", 16).hex()
        write_keystore(folder / "keystore.json", key, password)
        self._write_secret(role, "password", password.encode())
        signer = Signer(key)
        self.addresses[role] = signer.address
        return signer

    def start_authority(self, role: str) -> RoleProcess:
        state = self.folder(role) / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        (state / "policy.toml").write_text(authority_policy(self.min_clients))
        content = self._content() if self.suite == "screened" else ()  # to see for itself what a verdict follows from
        own = (*self._state(role), *content, *self._seed_file(role), *self._listen(role))
        return self._start(role, "serve", "authority", *own)

    def start_edge(self, censored: Address | None, role: str = "edge") -> RoleProcess:
        authorities = [part for url in self.authority_urls for part in ("--authority", self.route(role, url))]
        censor = ("--censor", to_hex(censored)) if censored else ()
        return self._start(
            role,
            "serve",
            "edge",
            *self._state(role),
            *self._content(),
            *authorities,
            *censor,
            *("--max-bond", str(self.max_bond)),
            *self._listen(role),
        )

    def household(self, role: str) -> Path:
        """Its folder, with a policy that takes part in this demonstration."""
        household = self._household(role)
        household.mkdir(mode=0o700, exist_ok=True)
        authorities = [address for name, address in self.addresses.items() if name.startswith("authority-")]
        policy = phone_policy(self.domain, authorities, self.min_clients, self.max_stake, self.mechanism)
        (household / "policy.toml").write_text(policy)
        return household

    def start_client(self, role: str) -> RoleProcess:
        self.household(role)
        report = ("--report", str(self.folder(role) / "report.json"))
        return self._start(role, *self.agent_command(role), "--yes", *report, *self._seed_file(role))

    def start_page(self, role: str, *data: Path) -> RoleProcess:
        """``hearth household serve`` for this household: its owner answers there. ``data``: examples that are not made
        of its readings."""
        own = ["--household", str(self.household(role)), *(part for path in data for part in ("--data", str(path)))]
        return self._start(role, "household", "serve", *own, *self._content(), *self._edges(role), *self._listen(role))

    def agent_command(self, role: str) -> list[str]:
        """``hearth agent`` for this household and task, without its account."""
        data = self.folder(role) / "household.safetensors"
        own = ["--data", str(data), "--household", str(self._household(role)), *self._state(role)]
        return ["agent", *self._edges(role), "--task", str(self.task), *own, *self._content()]

    def url_of(self, process: RoleProcess) -> str:
        """Waits until a listening role answers."""
        url = process.ready(self.folder(process.name) / "ready")
        self._ports[process.name] = url.rpartition(":")[2]
        return url

    def run(self, name: str, role: str, *command: str) -> None:
        """One of a role's commands, to its end."""
        command = (*command, *self._account(role))
        self.processes.run(name, command, self.folder(role), self.launchers.get(role, ()))

    def _start(self, role: str, *arguments: str) -> RoleProcess:
        launcher = self.launchers.get(role, ())
        command = [*arguments, *self._account(role), *self.options.get(role, ())]
        return self.processes.start(role, command, self.folder(role), launcher)

    def _account(self, role: str) -> list[str]:
        folder = self.folder(role)
        return [
            *("--rpc-url", self.route(role, self.rpc_url), "--ledger", str(self.domain)),
            *("--keystore", str(folder / "keystore.json"), "--password-file", str(folder / "password")),
        ]

    def _household(self, role: str) -> Path:
        return self.folder(role) / "household"

    def _state(self, role: str) -> tuple[str, str]:
        return "--folder", str(self.folder(role) / "state")

    def _edges(self, role: str) -> list[str]:
        urls = [self.route(role, url) for url in (self.edge_url, *self.substitute_urls)]
        return [part for url in urls for part in ("--edge", url)]

    def _content(self) -> tuple[str, str]:
        return "--store", str(self.store)

    def _listen(self, role: str) -> tuple[str, ...]:
        ready = self.folder(role) / "ready"
        ready.unlink(missing_ok=True)
        return "--port", self._ports.get(role, "0"), "--ready-file", str(ready)

    def _seed_file(self, role: str) -> tuple[str, ...]:
        """Only a seeded demonstration hands out seeds; otherwise roles draw from the system."""
        if self.seed is None:
            return ()
        return "--seed-file", str(self._write_secret(role, "seed", self._randomness.draw(f"seed/{role}", 32)))

    def _write_secret(self, role: str, name: str, data: bytes) -> Path:
        path = self.folder(role) / name
        path.touch(mode=0o600)
        path.write_bytes(data)
        return path
