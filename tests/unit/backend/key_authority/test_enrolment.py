"""Tasks, envelopes and shares: checked against the chain, kept 0600, the same after a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.canonical import decode, encode
from protocol.content.cid import cid_of
from protocol.encryption.committee import authority_share, subsets_without
from protocol.encryption.envelope import KeyEnvelope
from protocol.errors import HearthError, Party
from protocol.messages.keys import SignedKeyAcceptance
from protocol.messages.task import Committee
from protocol.signing import verify
from storage.ledger.interface import LedgerError
from tests.samples import DOMAIN, client_address, sample_spec
from tests.unit.backend.key_authority.scene import (
    CLIENTS,
    TASK,
    Scene,
    authority_signer,
    envelope,
    master_keys,
    spec,
)


def _refused(call: object, *arguments: object) -> HearthError:
    assert callable(call)
    with pytest.raises(HearthError) as caught:
        call(*arguments)
    return caught.value


def test_only_the_spec_on_chain_is_kept(empty: Scene) -> None:
    body = encode(spec())
    assert _refused(empty.authority.accept_task, TASK, body).code == "E_NOT_ON_CHAIN"
    empty.ledger.post(spec())
    other = encode(replace(spec(), title="another"))
    assert _refused(empty.authority.accept_task, TASK, other).code == "E_NOT_ON_CHAIN"
    assert _refused(empty.authority.accept_task, TASK + 1, body).code == "E_NOT_ON_CHAIN"
    empty.authority.accept_task(TASK, body)
    once = (empty.folder / "journal").read_bytes()
    empty.authority.accept_task(TASK, body)
    assert (empty.folder / "journal").read_bytes() == once


def test_terms_on_chain_that_differ_from_the_spec_are_refused(empty: Scene) -> None:
    easier = replace(spec(), committee=Committee(3, spec().committee.members, 0))
    empty.ledger.post(spec(), terms=easier)
    error = _refused(empty.authority.accept_task, TASK, encode(spec()))
    assert (error.code, error.fault) == ("E_VERIFICATION", Party.MANUFACTURER)


def test_a_committee_without_this_authority_is_refused(empty: Scene) -> None:
    first, second, third = spec().committee.members
    strangers = [
        Committee(2, (second, third), 0),
        Committee(2, (first, first, third), 0),
    ]
    for committee in strangers:
        posted = sample_spec(committee=committee)
        empty.ledger.post(posted)
        assert _refused(empty.authority.accept_task, TASK, encode(posted)).code == "E_COMMITTEE"


def test_an_unknown_suite_or_an_impossible_committee_is_refused(empty: Scene) -> None:
    for line, changed in {
        "task.suite": replace(spec(), suite="PAD/9"),
        "committee.threshold": replace(spec(), committee=Committee(4, spec().committee.members, 0)),
    }.items():
        empty.ledger.post(changed)
        error = _refused(empty.authority.accept_task, TASK, encode(changed))
        assert (error.code, error.fault) == ("E_MALFORMED", Party.MANUFACTURER)
        assert str(error.args[0]).startswith(f"{line}: ")


def test_an_acceptance_is_signed_once_the_share_is_on_disk(scene: Scene) -> None:
    signed = decode(SignedKeyAcceptance, scene.authority.accept_client(TASK, CLIENTS[0], envelope(CLIENTS[0])))
    statement = signed.statement
    verify(DOMAIN, statement, signed.signature, authority_signer(1).address, Party.KEY_AUTHORITY)
    assert (statement.task, statement.client) == (TASK, CLIENTS[0])
    assert statement.envelope == cid_of(envelope(CLIENTS[0])).digest
    shares = scene.records.shares(TASK, subsets_without(3, 2, 1), 0)
    assert shares == {client: authority_share(master_keys(client), 1) for client in CLIENTS}


def test_accepting_again_gives_the_same_bytes_also_after_a_restart(scene: Scene) -> None:
    first = scene.authority.accept_client(TASK, CLIENTS[1], envelope(CLIENTS[1]))
    log = (scene.folder / "journal").read_bytes()
    scene.restart()
    assert scene.authority.accept_client(TASK, CLIENTS[1], envelope(CLIENTS[1])) == first
    assert (scene.folder / "journal").read_bytes() == log


def test_an_envelope_that_is_not_the_enrolled_one_is_refused(scene: Scene) -> None:
    accept, mine = scene.authority.accept_client, envelope(CLIENTS[0])
    assert _refused(accept, TASK, CLIENTS[0], envelope(CLIENTS[1])).code == "E_NOT_ON_CHAIN"
    assert _refused(accept, TASK, CLIENTS[0], mine + b" ").code == "E_NOT_ON_CHAIN"
    assert _refused(accept, TASK, client_address(9), mine).code == "E_NOT_ON_CHAIN"
    assert _refused(accept, TASK + 1, CLIENTS[0], mine).code == "E_NOT_FOUND"


def test_an_enrolled_envelope_that_does_not_open_is_the_clients_fault(empty: Scene) -> None:
    empty.ledger.post(spec())
    empty.authority.accept_task(TASK, encode(spec()))
    for window in (0, 1):
        empty.authority.window_key(TASK, window)
    good = decode(KeyEnvelope, envelope(CLIENTS[0]))
    first = good.shares[0]
    spoilt = replace(first, ciphertext=first.ciphertext[:-1] + bytes([first.ciphertext[-1] ^ 1]))
    hostile = [
        replace(good, shares=(spoilt, *good.shares[1:])),
        replace(good, shares=tuple(reversed(good.shares))),
        replace(good, commitments=tuple(reversed(good.commitments))),
        replace(good, client=CLIENTS[1]),
        replace(good, task=TASK + 1),
        replace(good, threshold=3),
        replace(good, window=1),
    ]
    for bad in hostile:
        body = encode(bad)
        empty.ledger.envelopes[TASK, CLIENTS[0]] = cid_of(body).digest
        error = _refused(empty.authority.accept_client, TASK, CLIENTS[0], body)
        assert (error.code, error.fault) == ("E_ENROLMENT", Party.CLIENT)
    assert empty.records.envelope(TASK, CLIENTS[0]) is None


def test_without_the_chain_nothing_is_accepted(scene: Scene) -> None:
    scene.ledger.down = True
    for call, arguments in (
        (scene.authority.accept_task, (TASK, encode(spec()))),
        (scene.authority.accept_client, (TASK, CLIENTS[0], envelope(CLIENTS[0]))),
    ):
        assert isinstance(_refused(call, *arguments), LedgerError)


def test_every_file_is_the_owners_alone(scene: Scene) -> None:
    files = [path for path in scene.folder.rglob("*") if path.is_file()]
    assert len(files) == 1 + 1 + 1 + len(CLIENTS)  # journal, spec, key, shares
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o077 for path in scene.folder.rglob("*") if path.is_dir()} == {0}


def test_one_folder_has_one_authority(scene: Scene) -> None:
    assert _refused(Scene, scene.folder).code == "E_RECORDS_BUSY"
