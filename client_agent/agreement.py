"""The owner's word on one task: asked once, after the disclosure; kept signed, with what was shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from client_agent.binding import FolderBoundError, TaskBinding, require_same
from client_agent.consent import Disclosure
from client_agent.consent_text import as_text
from client_agent.journal import AgentJournal
from protocol.canonical import encode
from protocol.domain import Domain
from protocol.errors import Party, VerificationError
from protocol.identifiers import sha256
from protocol.messages.consent import Consent
from protocol.signing import verify
from storage.ledger.signer import Signer

ENROL: Final = "Enrol this household?"
WITHOUT_GUARANTEE: Final = "This task gives no guarantee of privacy. Train for it all the same?"


Show = Callable[[Disclosure], None]


@dataclass
class Agreement:
    """Of one phone's folder."""

    domain: Domain
    signer: Signer
    journal: AgentJournal
    tell: Callable[[str], None]
    agree: Callable[[str], bool]  # asks the owner this question
    show: Show = lambda _: None  # the facts themselves, for who has other words for them

    def check(self, found: TaskBinding) -> None:
        """Raises FolderBoundError where the folder is another task's or another account's."""
        kept = self.journal.consented
        if kept is None:
            if self.journal.has_keys:
                raise FolderBoundError("this folder holds keys without a consent: an earlier version used it")
            return
        require_same(kept.binding, found)
        if kept.consent.client != self.signer.address:
            raise FolderBoundError("this folder is another account's: one folder, one account")

    def obtain(self, found: TaskBinding, told: Disclosure) -> bool:
        """Shows the disclosure and asks, once. False when the owner does not agree; then nothing is kept."""
        if self.journal.consented is not None:
            self.recall()
            return True
        text = as_text(told)
        self.show(told)
        self.tell(text)
        questions = [ENROL] if told.charges else [WITHOUT_GUARANTEE, ENROL]
        if not all(self.agree(question) for question in questions):
            return False
        facts = encode(told)
        consent = Consent(found.task, self.signer.address, found.spec, sha256(text.encode()), sha256(facts))
        signature = self.signer.sign(self.domain, consent)
        shown = {"consent.txt": text.encode(), "consent.json": facts}
        self.journal.keep_consent(found, told.data_set, consent, signature, shown)
        return True

    def recall(self) -> None:
        """Shows again what was agreed to.

        Raises VerificationError for a kept consent that this account did not sign, or not for the text that is kept.
        """
        kept = self.journal.consented
        assert kept is not None
        verify(self.domain, kept.consent, kept.signature, self.signer.address, Party.OURS)
        text = self.journal.shown("consent.txt")
        if sha256(text) != kept.consent.text:
            raise VerificationError("the text that is kept is not the one that was agreed to")
        self.tell(text.decode())
