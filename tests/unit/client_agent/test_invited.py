"""An invitation that lies is refused before a word of its task is shown, with who was wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from client_agent.household_folder import HouseholdFolder, invitation_in
from client_agent.invited import verify_invitation
from protocol.content.cid import Cid
from protocol.domain import Domain
from protocol.errors import HearthError, Party
from protocol.identifiers import sha256
from protocol.invitation import Invitation
from tests.samples import DOMAIN
from tests.unit.client_agent.scene_ledger import Directory


def scene() -> tuple[Directory, Invitation]:
    directory = Directory()
    directory.post(directory.spec(title="other"))
    number = directory.post(directory.spec())
    return directory, Invitation(DOMAIN, number, directory.ledger.task(number).spec, ("https://edge.example",))


def test_one_that_is_true_brings_the_task() -> None:
    directory, invitation = scene()
    invited = verify_invitation(invitation, directory.ledger, directory.store)
    assert invited.spec == directory.spec() and invited.view.spec == invitation.spec
    assert (invited.invitation, invited.posted.task, invited.now) == (invitation, 2, directory.time)


@pytest.mark.parametrize(
    ("lie", "code", "fault"),
    [
        (lambda one: replace(one, domain=Domain(1, one.domain.ledger)), "E_WRONG_CHAIN", Party.LEDGER),
        (lambda one: replace(one, domain=Domain(one.domain.chain_id, bytes(20))), "E_WRONG_CHAIN", Party.LEDGER),
        (lambda one: replace(one, task=3), "E_VERIFICATION", Party.MANUFACTURER),
        (lambda one: replace(one, task=1), "E_VERIFICATION", Party.MANUFACTURER),
        (lambda one: replace(one, spec=sha256(b"other")), "E_VERIFICATION", Party.MANUFACTURER),
    ],
)
def test_what_does_not_agree_is_said(lie: Callable[[Invitation], Invitation], code: str, fault: Party) -> None:
    directory, invitation = scene()
    with pytest.raises(HearthError) as refused:
        verify_invitation(lie(invitation), directory.ledger, directory.store)
    assert (refused.value.code, refused.value.fault) == (code, fault)
    assert directory.spec().title not in str(refused.value)


def test_a_spec_that_the_store_does_not_have_or_forges() -> None:
    directory, invitation = scene()
    text = Cid("raw", invitation.spec).text
    directory.store.objects[text] = b"{}"
    with pytest.raises(HearthError) as refused:
        verify_invitation(invitation, directory.ledger, directory.store)
    assert (refused.value.code, refused.value.fault) == ("E_DOCUMENT_ABSENT", Party.CONTENT_STORE)
    del directory.store.objects[text]
    with pytest.raises(HearthError) as refused:
        verify_invitation(invitation, directory.ledger, directory.store)
    assert (refused.value.code, refused.value.fault) == ("E_DOCUMENT_ABSENT", Party.MANUFACTURER)


def test_a_task_that_can_never_run() -> None:
    directory, _ = scene()
    number = directory.post(directory.spec(suite="ROT13/1"))
    invitation = Invitation(DOMAIN, number, directory.ledger.task(number).spec, ("https://edge.example",))
    with pytest.raises(HearthError) as refused:
        verify_invitation(invitation, directory.ledger, directory.store)
    assert (refused.value.fault, "suite" in str(refused.value)) == (Party.MANUFACTURER, True)


def test_a_household_keeps_its_invitations(tmp_path_factory: pytest.TempPathFactory) -> None:
    _, invitation = scene()
    home = HouseholdFolder(tmp_path_factory.mktemp("home"))
    assert home.invitations() == ()
    folder = home.keep_invitation(invitation)
    other = replace(invitation, edge_urls=("http://127.0.0.1:1",))
    assert home.keep_invitation(other) == folder == home.task_folder(invitation.domain, invitation.task)
    (home.path / "tasks" / "other").mkdir()
    (home.path / "tasks" / "other" / "invitation").write_bytes(b"\xff" * 5_000)
    assert home.invitations() == (other,)
    assert invitation_in(folder) == other and invitation_in(home.path) is None
