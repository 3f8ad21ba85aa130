"""A phone does not ask its owner for a task that cannot run, whatever its policy allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.errors import SpecError
from protocol.messages.task import TaskSpec
from tests.samples import sample_spec
from tests.unit.client_agent import scene_server
from tests.unit.client_agent.scene_phone import Phone
from tests.unit.client_agent.scene_server import PHONE, PlayedServer

CHANGES: dict[str, Callable[[TaskSpec], TaskSpec]] = {
    "task.suite": lambda spec: replace(spec, suite="FE65"),
    "privacy.epsilon_budget": lambda spec: replace(spec, privacy=replace(spec.privacy, epsilon_budget_micro=1)),
    "cohort.max_share": lambda spec: replace(spec, cohort=replace(spec.cohort, max_share_ppm=0)),
}


@pytest.mark.parametrize("line", CHANGES)
def test_it_ends_before_its_owner_is_asked(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(**terms: int) -> TaskSpec:
        return CHANGES[line](sample_spec(**terms))

    monkeypatch.setattr(scene_server, "sample_spec", changed)
    phone = Phone(PlayedServer(), tmp_path)
    asked = list[str]()

    def agree(question: str) -> bool:
        asked.append(question)
        return True

    phone.agent.agreement.agree = agree
    with pytest.raises(SpecError) as refused:
        phone.steps(60)
    assert refused.value.line == line
    assert (asked, phone.agent.journal.consented, phone.agent.journal.envelope) == ([], None, None)
    assert PHONE.address not in phone.agent.followed.state.enrolled
