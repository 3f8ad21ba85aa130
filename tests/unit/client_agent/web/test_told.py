"""What a household is told without asking: a budget that is nearly spent, open tasks that suit it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client_agent.offers import Obstacle, Reason
from client_agent.privacy.ledger import Spending
from client_agent.web.book import News
from client_agent.web.budgets import Budgets, budgets_of
from client_agent.web.household import best_of
from protocol.messages.learning import MICRO
from protocol.model.dataset import encode_labelled
from tests.unit.client_agent.scene_consent import LIMITS, SPEC, charged
from tests.unit.client_agent.web.scene_home import Browser, PlayedHome


@pytest.fixture
def played(tmp_path: Path) -> Iterator[PlayedHome]:
    found = PlayedHome(tmp_path)
    yield found
    found.close()


def test_a_budget_is_of_all_tasks_and_counts_what_no_figure_covers() -> None:
    (budget,) = budgets_of(charged(SPEC, 2), LIMITS)
    assert budget.figure == charged(SPEC, 2).figure("home", LIMITS.total_delta_exponent)
    assert [cost.rounds for cost in budget.tasks] == [2] and budget.without_guarantee == 0
    assert budget.percent == 100 * budget.figure.epsilon_micro // LIMITS.total_epsilon
    (empty,) = budgets_of(Spending(), LIMITS)
    assert empty.tasks == () and empty.percent == 0


def test_a_budget_is_counted_again_only_when_something_changed() -> None:
    budgets = Budgets()
    first = budgets.of(charged(SPEC, 1), LIMITS)
    assert budgets.of(charged(SPEC, 1), LIMITS) is first
    assert budgets.of(charged(SPEC, 2), LIMITS) is not first
    assert budgets.of(charged(SPEC, 2), replace(LIMITS, total_epsilon=MICRO))[0].limit_micro == MICRO


def test_a_budget_that_is_nearly_spent_is_told_once(played: PlayedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    spent = charged(SPEC, 3)
    limit = spent.figure("home", LIMITS.total_delta_exponent).epsilon_micro * 10 // 9
    monkeypatch.setattr(type(played.home), "spending", lambda _: spent)
    text = played.folder.policy.read_text().replace("total_epsilon = 40.0", f"total_epsilon = {limit / MICRO}")
    played.folder.policy.write_text(text)
    for _ in range(2):
        played.home.tell(played.home._nearly_spent())
    told = [(one.kind, one.number) for one in played.home.state.notices]
    assert told == [(News.BUDGET, 80)]
    page = Browser(played.app, played.devices).get("/notices")
    assert "More than 80% of the privacy" in page


def test_an_open_task_is_offered_by_the_examples_that_suit_it(played: PlayedHome) -> None:
    other = played.data.with_name("other.safetensors")
    other.write_bytes(encode_labelled(np.zeros((7, 3, 1, 60), np.float32), np.zeros(7, np.int64)))
    played.home.examples.named = (other, *played.home.examples.named)
    played.home.look_for_offers()
    (offer,) = played.home.offers or ()
    assert offer.qualifies and played.home.examples.for_task(played.server.spec) == played.data
    assert [one.kind for one in played.home.state.notices] == [News.OFFER]
    played.home.look_for_offers()
    assert len(played.home.state.notices) == 1
    browser = Browser(played.app, played.devices)
    assert "suits you" in browser.get("/tasks/find")
    page = browser.send("/tasks/join", task="1", edge="http://127.0.0.1:8000/")
    assert 1 in played.home.workers and played.home.workers[1].kept.invitation == played.invitation, page


def test_the_best_offer_of_each_task(played: PlayedHome) -> None:
    played.home.look_for_offers()
    (offer,) = played.home.offers or ()
    worse = replace(offer, obstacles=(Obstacle(Reason.DATA, "another shape"),))
    assert best_of([[worse], [offer]]) == best_of([[offer], [worse]]) == (offer,)


FACTS: dict[Reason, dict[str, int | str]] = {
    Reason.FULL: {"enrolled": 3, "most": 3},
    Reason.ACCOUNT: {"task": 7, "until": 1_700_000_000},
    Reason.REPUTATION: {"yours": 1, "least": 2},
    Reason.POLICY: {"asked": "9", "allowed": "4"},
    Reason.PRIVACY: {"asked": "9", "allowed": "4"},
    Reason.DATA: {"asked": "3 x 1 x 60", "yours": "12 x 1"},
    Reason.LABELS: {"most": 12},
    Reason.TOO_MANY: {"yours": 9, "most": 8},
}


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_is_said_in_the_language_of_the_page(played: PlayedHome, reason: Reason) -> None:
    played.home.look_for_offers()
    (offer,) = played.home.offers or ()
    english = "an English line & nothing else"
    played.home.offers = (replace(offer, obstacles=(Obstacle(reason, english, "a.line", FACTS.get(reason, {})),)),)
    browser, said = Browser(played.app, played.devices), re.compile(r"<ul><li>(.+?)</li></ul>")
    first, other = (said.search(browser.get(f"/tasks/find?lang={language}")) for language in ("en", "de"))
    assert first and other and first[1] != other[1]
    for one in (first[1], other[1]):
        assert "English" not in one
        assert all(str(fact) in one for name, fact in FACTS.get(reason, {}).items() if name != "until")


def test_a_chain_that_does_not_answer_is_shown_and_the_page_works(played: PlayedHome) -> None:
    played.folder.policy.write_text("broken")
    played.home.look_for_offers()
    browser = Browser(played.app, played.devices)
    assert "Your phone cannot look now" in browser.get("/tasks/find")
    assert "cannot be read" in browser.get("/")
    assert browser.get("/policy")
