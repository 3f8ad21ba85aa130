"""The manufacturer's own process: it signs what the edge server's API prepares, and only after checking it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2

from protocol.canonical import decode, encode
from protocol.errors import HearthError, MalformedError, Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest, from_hex, sha256
from protocol.messages.chain import RoundPublished, TaskPosted
from protocol.messages.task import ModelSpec, TaskSpec
from protocol.model.dataset import MAX_DATASET_BYTES, decode_labelled
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.round.planning import terms_of
from protocol.strict_json import parse_json
from scripts.commands.task_file import TaskFile
from storage.content.interface import ContentStore, get_document
from storage.ledger.deposits import allow
from storage.ledger.ethereum.calls import escrow_value
from storage.ledger.ethereum.ledger import EthereumLedger, decode_post_task
from storage.ledger.interface import LedgerReader, PreparedTransaction

MAX_ANSWER_BYTES = 1024 * 1024


class ApiError(HearthError):
    """An HTTP server that is away, or whose answer is not what was asked for."""

    code = "E_API"


def post_task(task_file: Path, edge_url: str, store: ContentStore, ledger: EthereumLedger) -> tuple[int, int]:
    """Posts the task of a TOML file. Returns its number and the gas used.

    The model and the test set go to content from here; the edge server only prepares the call.
    """
    parsed = TaskFile(task_file)
    initial_model = store.put(_initial_parameters(parsed))
    test_set = store.put(_test_set(parsed))
    spec = parsed.spec(initial_model.digest, test_set.digest, identify_authority)
    prepared = _prepare(edge_url, spec)
    terms, value_wei = decode_post_task(prepared)
    expected = (terms_of(spec), escrow_value(terms_of(spec), spec.budget()), ledger.domain.ledger)
    if (terms, value_wei, prepared.to) != expected:
        raise VerificationError("the prepared transaction is not this task", fault=Party.EDGE_SERVER)
    if value_wei == 0:
        allow(ledger, terms.token, spec.budget())
    receipt = ledger.send_prepared(prepared)
    posted = [event for event in receipt.logs if isinstance(event, TaskPosted)]
    if len(posted) != 1 or posted[0].terms != terms:
        raise VerificationError("the ledger did not post this task", fault=Party.LEDGER)
    return posted[0].task, receipt.gas_used


def identify_authority(url: str) -> Address:
    """Asks a key authority for its address; check it with its operator out of band."""
    answer = _json("GET", f"{url.rstrip('/')}/api/v1/identity", None)
    try:
        return from_hex(answer["address"], 20)
    except (KeyError, TypeError, AttributeError) as error:
        raise ApiError(f"{url}: not a key authority's identity", fault=Party.KEY_AUTHORITY) from error


def fetch_model(store: ContentStore, spec_digest: Digest, model: Digest) -> tuple[bytes, ModelSpec]:
    """The published parameters, checked against the task's model. Raises MalformedError or a content error."""
    spec = decode(TaskSpec, get_document(store, spec_digest, 1024 * 1024))
    layout = Layout.of(spec.model)
    data = get_document(store, model, layout.max_bytes)
    layout.from_safetensors(data)
    return data, spec.model


def published_model(ledger: LedgerReader, task: int, round_number: int) -> Digest:
    """Digest of the model published in a round (0: the last one that published); zero when there is none."""
    digest = ZERO_DIGEST
    for event in ledger.events(task):
        if isinstance(event, RoundPublished) and round_number in (0, event.round):
            digest = event.model
    return digest


def _initial_parameters(parsed: TaskFile) -> bytes:
    model, path = parsed.model(), parsed.path("initial_model")
    layout = Layout.of(model)
    if path is None:
        return layout.to_safetensors(initial_parameters(model))
    data = path.read_bytes()
    layout.from_safetensors(data)
    return data


def _test_set(parsed: TaskFile) -> bytes:
    path = parsed.path("test_set")
    if path is None:
        raise MalformedError("task file: [files] test_set is missing", fault=Party.MANUFACTURER)
    if path.stat().st_size > MAX_DATASET_BYTES:
        raise MalformedError(f"{path}: larger than {MAX_DATASET_BYTES} bytes", fault=Party.MANUFACTURER)
    data = path.read_bytes()
    decode_labelled(data)
    return data


def _prepare(edge_url: str, spec: TaskSpec) -> PreparedTransaction:
    answer = _json("POST", f"{edge_url.rstrip('/')}/api/v1/tasks/prepare", encode(spec))
    try:
        if from_hex(answer["spec"], 32) != sha256(encode(spec)):
            raise VerificationError("the edge server prepared another spec", fault=Party.EDGE_SERVER)
        to, data, value = from_hex(answer["to"], 20), from_hex(answer["data"]), int(answer["value_wei"])
        return PreparedTransaction(to, data, value)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ApiError("not a prepared transaction", fault=Party.EDGE_SERVER) from error


def _json(method: str, url: str, body: bytes | None) -> dict[str, Any]:
    try:
        response = httpx2.request(method, url, content=body, timeout=30)
        content = response.content
    except httpx2.HTTPError as error:
        raise ApiError(f"{url}: {error}", fault=Party.EDGE_SERVER) from error
    if not response.is_success or len(content) > MAX_ANSWER_BYTES:
        raise ApiError(f"{url}: status {response.status_code}: {content[:500]!r}", fault=Party.EDGE_SERVER)
    answer = parse_json(content)
    if not isinstance(answer, dict):
        raise ApiError(f"{url}: not an object", fault=Party.EDGE_SERVER)
    return answer
