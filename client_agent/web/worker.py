"""The phone of one task in a thread of its own: steps it, waits for its owner's answer, and says how it is going.

It may be stopped or killed at any line: the phone's journal knows where it was.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import structlog

from client_agent.agreement import WITHOUT_GUARANTEE
from client_agent.consent import Disclosure
from client_agent.main import OpenPhone, Owner
from client_agent.voucher import NO_CODE
from client_agent.web.book import KeptTask
from client_agent.web.standing import Standing, standing_of
from protocol.errors import HearthError
from protocol.text import shown

log = structlog.get_logger()
KEPT_LINES: Final = 200  # of what the phone said
LOOK_SECONDS: Final = 60.0  # between two looks at the chain of a phone that does nothing
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0  # seconds, after something went wrong; twice as long each time

OpenPhoneOf = Callable[[KeptTask, Owner], AbstractContextManager[OpenPhone]]


class Stage(StrEnum):
    STARTING = "starting"
    ASKING = "asking"  # for the owner's word
    WORKING = "working"
    PAUSED = "paused"
    DECLINED = "declined"
    TROUBLE = "trouble"
    OVER = "over"


class UnknownTaskError(HearthError):
    """This household has nothing to do with a task of that number, or no records of it can be read now."""

    code = "E_NOT_FOUND"


class StoppedError(Exception):
    """The household's process ends, or opens this phone again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The owner's. ``without_guarantee``: also to a task that guarantees no privacy."""

    yes: bool
    without_guarantee: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How one task is going, for pages and notices; as of the phone's last step."""

    stage: Stage = Stage.STARTING
    trouble: str = ""  # one line
    code: str = ""  # of the trouble, where it has one
    disclosure: Disclosure | None = None
    standing: Standing | None = None

    @property
    def lacks_code(self) -> bool:
        """It goes on with the code of another appliance, and without one never."""
        return self.stage is Stage.TROUBLE and self.code in NO_CODE


@dataclass
class Worker:
    """``open_phone``: opens the phone's folder, and closes it. ``changed``: hears of every new progress."""

    kept: KeptTask
    open_phone: OpenPhoneOf
    changed: Callable[[int, Progress], None]
    poll_seconds: int = 10
    progress: Progress = field(default_factory=Progress)
    phone: OpenPhone | None = None  # while its folder is open

    def __post_init__(self) -> None:
        self.said: deque[str] = deque(maxlen=KEPT_LINES)
        self._turn = threading.Condition()
        self._answer: Answer | None = None
        self._paused, self._stopping, self._again, self._awake = self.kept.paused, False, False, False
        self._thread = threading.Thread(target=self._run, name=f"task {self.task}", daemon=True)

    @property
    def task(self) -> int:
        return self.kept.invitation.task

    # what the page asks for

    def opened(self) -> tuple[OpenPhone, Standing]:
        """Raises UnknownTaskError while the phone's folder is closed."""
        phone, standing = self.phone, self.progress.standing
        if phone is None or standing is None:
            raise UnknownTaskError("the phone of this task is not at work now, so its records cannot be read")
        return phone, standing

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait; :meth:`join` does."""
        self._notify(stopping=True)

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def pause(self, paused: bool) -> None:
        self._notify(paused=paused)

    def wake(self) -> None:
        """Its next step comes now."""
        self._notify(awake=True)

    def reopen(self) -> None:
        """With the policy as it is now, and after something went wrong."""
        self._notify(again=True)

    def answer(self, answer: Answer) -> None:
        """To the disclosure of :attr:`progress`. It is not asked again while the phone takes a yes up."""
        if answer.yes and self.progress.stage is Stage.ASKING:
            self._set(replace(self.progress, stage=Stage.STARTING))
        with self._turn:
            self._answer = answer
            self._turn.notify_all()

    def _notify(
        self, *, paused: bool | None = None, stopping: bool = False, again: bool = False, awake: bool = False
    ) -> None:
        with self._turn:
            self._awake = self._awake or awake
            self._paused = self._paused if paused is None else paused
            self._stopping, self._again = self._stopping or stopping, self._again or again
            self._turn.notify_all()

    # the thread

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping:
            self._again = False
            try:
                with self.open_phone(self.kept, Owner(self._tell, self._agree, self._show)) as phone:
                    self.phone = phone
                    pause = FIRST_PAUSE
                    self._work(phone)
            except StoppedError:
                continue
            except Exception as error:  # whatever it is: the other tasks and the page go on
                why = str(error.args[0]) if isinstance(error, HearthError) else repr(error)
                log.warning("a task's phone stopped", task=self.task, error=str(error)[:500])
                code = error.code if isinstance(error, HearthError) else ""
                self._publish(Stage.TROUBLE, trouble=shown(why[:500]), code=code)
            finally:
                self.phone = None
            if self.progress.lacks_code:
                self._hold()
                continue
            self._rest(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _work(self, phone: OpenPhone) -> None:
        """Raises StoppedError, and whatever the phone cannot go on with."""
        agent = phone.agent
        while True:
            if self._paused:
                self._publish(Stage.PAUSED)
                self._await(LOOK_SECONDS, until=lambda: not self._paused)
                self._look(phone)
                continue
            begun = time.monotonic()
            deadline = agent.step(self.poll_seconds)
            now = agent.followed.now
            if deadline is None:
                self._publish(Stage.OVER if agent.agreed else Stage.DECLINED, phone)
                while True:  # until the process ends: pages ask for what the folder holds
                    self._await(LOOK_SECONDS, until=lambda: False)
            self._publish(Stage.WORKING, phone)
            self._await(max(0.0, begun + deadline - now - time.monotonic()), until=lambda: self._paused)

    def _look(self, phone: OpenPhone) -> None:
        """At the chain, for pages alone."""
        try:
            phone.agent.followed.refresh()
        except HearthError as error:
            log.info("not looked", task=self.task, error=str(error))
            return
        self._publish(self.progress.stage, phone)

    def _rest(self, seconds: float) -> None:
        try:
            self._await(seconds, until=lambda: False)
        except StoppedError:
            pass

    def _hold(self) -> None:
        """The same code gets the same answer: nobody is asked again before there is another, or all begins anew."""
        with self._turn:
            self._turn.wait_for(lambda: self._stopping or self._again)

    def _await(self, seconds: float, until: Callable[[], bool]) -> None:
        """Raises StoppedError as soon as the phone is to be closed."""
        with self._turn:
            self._turn.wait_for(lambda: self._stopping or self._again or self._awake or until(), seconds)
            self._awake = False
            if self._stopping or self._again:
                raise StoppedError

    def _publish(self, stage: Stage, phone: OpenPhone | None = None, trouble: str = "", code: str = "") -> None:
        standing = self.progress.standing if phone is None else standing_of(phone.agent)
        disclosure = self.progress.disclosure if stage in (Stage.PAUSED, Stage.TROUBLE) else None
        self._set(Progress(stage, trouble, code, disclosure, standing))

    def _set(self, progress: Progress) -> None:
        if progress != self.progress:
            self.progress = progress
            self.changed(self.task, progress)

    def _tell(self, text: str) -> None:
        self.said.append(shown(text) if "\n" not in text else "\n".join(map(shown, text.split("\n"))))

    def _show(self, disclosure: Disclosure) -> None:
        with self._turn:
            self._answer = None
        self._set(Progress(Stage.ASKING, disclosure=disclosure, standing=self.progress.standing))

    def _agree(self, question: str) -> bool:
        """Waits as long as the owner does. Raises StoppedError."""
        with self._turn:
            self._turn.wait_for(lambda: self._answer is not None or self._stopping or self._again)
            answer = self._answer
        if answer is None:
            raise StoppedError
        return answer.yes and (question != WITHOUT_GUARANTEE or answer.without_guarantee)
