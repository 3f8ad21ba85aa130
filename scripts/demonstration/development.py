"""A demonstration whose roles run elsewhere, as in containers: their accounts, its task file, and when it has ended."""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from protocol.identifiers import Address, Digest, to_hex
from protocol.messages.chain import TaskView
from protocol.task.ending import task_over
from scripts.commands.servers import identify_edge_server
from scripts.demonstration.data import households_of
from scripts.demonstration.policies import authority_policy, development_policy
from scripts.demonstration.task import TEST_SET, least_cohort, write_task_file
from storage.ledger.ethereum.node import Node
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.interface import LedgerError
from storage.ledger.keystore import GROUP_ORDER, write_keystore
from storage.ledger.signer import Signer

CHAIN_ID: Final = 31337  # anvil's
GRANT_WEI: Final = 10**20
DATASET: Final = "digits"
POLL_SECONDS: Final = 1.0
TASK_FILE: Final = "task.toml"
_BROKER_USER: Final = "household"
_ITERATIONS: Final = 101  # mosquitto's own number; the password has 128 bits, so more would slow nobody down


def accounts_archive(roles: Sequence[str], clients: int) -> bytes:
    """A tar archive: keystore and password of each role, passwords of database and broker, policies that let
    ``clients`` phones make a cohort, and the roles' addresses, a line each.

    Everybody may read the files: a container's user is none of its host's, so the folder around them keeps others out.
    """
    files: dict[str, bytes] = {}
    addresses: dict[str, Address] = {}
    with tempfile.TemporaryDirectory() as folder:
        for role in roles:
            key, password = 1 + secrets.randbelow(GROUP_ORDER - 1), secrets.token_hex(16)
            keystore = Path(folder) / role
            write_keystore(keystore, key.to_bytes(32, "big"), password)
            files[f"{role}.json"], files[f"{role}.password"] = keystore.read_bytes(), password.encode()
            addresses[role] = Signer(key.to_bytes(32, "big")).address
    broker = secrets.token_hex(16)
    files["database.password"], files["broker.password"] = secrets.token_hex(16).encode(), broker.encode()
    files["broker.users"] = f"{_BROKER_USER}:{_mosquitto_hash(broker)}\n".encode()
    files["addresses"] = "".join(f"{to_hex(address)}\n" for address in addresses.values()).encode()
    known = [address for role, address in addresses.items() if role.startswith("authority")]
    files["household-policy.toml"] = development_policy(CHAIN_ID, known, least_cohort(clients)).encode()
    files["authority-policy.toml"] = authority_policy(least_cohort(clients)).encode()
    return _archive(files)


def fund(rpc_url: str, addresses: Sequence[Address]) -> None:
    """On anvil, whose coin comes from nothing. Raises LedgerError."""
    provider = JsonRpcProvider(rpc_url)
    try:
        Node(provider).require_chain(CHAIN_ID)
        for address in addresses:
            provider.make_request("anvil_setBalance", [to_hex(address), hex(GRANT_WEI)])
    finally:
        provider.close()


def write_task(folder: Path, clients: int, rounds: int, edges: Sequence[str], authorities: Sequence[str]) -> Path:
    """The task file with what it names, and each household's examples, ``1.safetensors`` and so on. A task file that is
    there stays. Raises OSError, ApiError of a server that does not say who it is."""
    data = households_of(DATASET, clients)
    for number, household in enumerate(data.households, start=1):
        (folder / f"{number}.safetensors").write_bytes(household)
    (folder / TEST_SET).write_bytes(data.test_set)
    path = folder / TASK_FILE
    if not path.exists():
        servers = list(dict.fromkeys(map(identify_edge_server, edges)))  # several processes may be one server
        write_task_file(path, DATASET, clients, rounds, servers, authorities)
    return path


def await_ended(
    reader: EthereumReader,
    task: int,
    patience_seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Digest:
    """Until every round is settled and everybody has what is due; the hash of the last block then. A chain that cannot
    be read is asked again. Raises LedgerError when the time is over."""
    until = clock() + patience_seconds
    node = Node(reader.provider)
    while True:
        error: LedgerError | None = None
        try:
            if _paid_out(reader.task(task), reader.now()) and (last := node.block("latest")) is not None:
                return last.hash
        except LedgerError as raised:
            error = raised
        if clock() > until:
            raise LedgerError(f"task {task} has not ended within {patience_seconds:g} s") from error
        pause(POLL_SECONDS)


def _paid_out(view: TaskView, now: int) -> bool:
    settled = now >= view.payable_from and view.claimed == view.payable(now)[1]
    return task_over(view, now) and settled and view.deposits == 0


def _mosquitto_hash(password: str) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _archive(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for entry, data in _entries(files):
            archive.addfile(entry, io.BytesIO(data))
    return written.getvalue()


def _entries(files: dict[str, bytes]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for name, data in files.items():
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), 0o444
        yield entry, data
