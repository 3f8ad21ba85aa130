"""The household's MQTT broker: reached again whenever it is gone, asked for nothing but what the conventions need."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from client_agent.data.intake.arrival import Clock
from client_agent.data.intake.findings import MAX_LISTING, Message
from client_agent.data.intake.listening import Listening
from protocol.errors import HearthError, MalformedError

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
VERSIONS: Final = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
MAX_QUEUED: Final = 2_000  # messages that were received and not looked at yet
KEEPALIVE_SECONDS: Final = 30
_NO_VERSION: Final = frozenset({1, 132})  # codes of a broker that does not speak this one
_NO_ACCESS: Final = frozenset({4, 5, 134, 135, 140})
_QOS: Final = 1
_AT_ONCE: Final = 64  # topics of one request
_SAVED_TOGETHER: Final = 2_000  # findings, also when they come faster than time passes
_SILENT: Final = logging.getLogger("hearth.mqtt")  # what the owner has to know is told
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class BrokerError(HearthError):
    """A broker that cannot be used, however often it is asked."""

    code = "E_BROKER"


@dataclass(frozen=True, slots=True)
class Broker:
    """``authorities``: certificates in a PEM file, None for those of the system. ``version``: of VERSIONS, or None for
    whichever the broker speaks."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    authorities: Path | None = None
    version: str | None = None

    def __str__(self) -> str:
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between two savings, that a broker may take for an answer, of the first and of the longest pause before
    it is asked again."""

    save: float = 5.0
    answer: float = 5.0
    first_pause: float = 1.0
    longest_pause: float = 60.0


def parse_broker(url: str) -> Broker:
    """``mqtt://[user@]host[:port]`` or ``mqtts://``. Raises MalformedError, also for a password in it."""
    try:
        parsed = urlsplit(url)
        host, port = parsed.hostname, parsed.port
        if host is not None:
            host.encode("idna")  # what a client library does, and fails at
    except ValueError as error:
        raise MalformedError(f"no broker's address: {error}") from error
    if parsed.password is not None:
        raise MalformedError("a password belongs into a file, not into the broker's address")
    rest = parsed.path not in ("", "/") or parsed.query or parsed.fragment
    if parsed.scheme not in PORTS or not host or rest or port == 0 or not url.isprintable() or " " in url:
        raise MalformedError("no broker's address: it is like mqtt://host:1883 or mqtts://user@host:8883")
    user = None if parsed.username is None else unquote(parsed.username)
    return Broker(host, port or PORTS[parsed.scheme], parsed.scheme == "mqtts", user)


class Queue(asyncio.Queue[aiomqtt.Message]):
    """Bounded: what is too large is not kept, and of too many messages the oldest goes."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self.dropped = 0

    def put_nowait(self, item: aiomqtt.Message) -> None:
        if self.full():
            self.get_nowait()
            self.dropped += 1
        super().put_nowait(item)


def connection(
    broker: Broker,
    version: str | None = None,
    context: ssl.SSLContext | None = None,
    answer: float = 5.0,
    queue: Callable[[int], Queue] = Queue,
) -> aiomqtt.Client:
    """Within the running event loop. Raises BrokerError for certificates that cannot be read."""
    spoken = VERSIONS[version or broker.version or "3.1.1"]
    properties = None
    if spoken == aiomqtt.ProtocolVersion.V5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = MAX_LISTING + 65_536  # a broker keeps larger messages to itself
    # of a broker that was away nothing old is wanted: readings are of the moment in which they arrive
    clean: dict[str, Any] = {"clean_start": True} if properties else {"clean_session": True}
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.user,
        password=broker.password,
        logger=_SILENT,
        queue_type=cast(Any, queue),
        max_queued_incoming_messages=MAX_QUEUED,
        protocol=spoken,
        timeout=answer,
        keepalive=KEEPALIVE_SECONDS,
        properties=properties,
        tls_context=(context or _context(broker)) if broker.tls else None,
        **clean,
    )


class Collecting:
    """Drives :class:`Listening` by what a broker says, until :meth:`stop`."""

    def __init__(
        self,
        broker: Broker,
        listening: Listening,
        clock: Clock,
        tell: Callable[[str], None],
        regularly: Callable[[int], None] = lambda _: None,
        pace: Pace = Pace(),
    ) -> None:
        """``regularly`` is called with the time, in a thread of its own, after every saving and at the end. Raises
        BrokerError for certificates that cannot be read. Belongs to the running event loop."""
        self._broker, self._listening, self._clock, self._tell = broker, listening, clock, tell
        self._regularly, self._pace = regularly, pace
        self._stopped = asyncio.Event()
        self._versions = [broker.version] if broker.version else list(VERSIONS)
        self._context = _context(broker) if broker.tls else None
        self._queue = Queue()
        self._accepted = self._away = False

    def stop(self) -> None:
        self._stopped.set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """``ready`` is called whenever everything is subscribed to. Raises BrokerError for a broker that never accepted
        this user, ReadingsError."""
        pause = self._pace.first_pause
        while not self._stopped.is_set():
            listened = False
            try:
                async with self._client() as client:
                    listened = True
                    await self._listen(client, ready)
            except aiomqtt.MqttError as error:
                if self._other_version(error):
                    continue
                self._refused(error)
            finally:
                if listened:
                    self._listening.dropped(self._queue.dropped, self._clock())
                    self._listening.lost(self._clock())
            if not self._stopped.is_set():
                pause = self._pace.first_pause if listened else min(2 * pause, self._pace.longest_pause)
                await _within(self._stopped, pause)
        await asyncio.to_thread(self._regularly, self._clock())

    async def _listen(self, client: aiomqtt.Client, ready: Callable[[], None]) -> None:
        """Until the broker is gone, which raises MqttError, or this is stopped."""
        self._accepted, self._versions = True, self._versions[:1]
        await self._subscribe(client, (*self._listening.connected(self._clock()), *self._clock.topics))
        if self._away:
            self._tell(f"{self._broker}: answers again")
        self._away = False
        ready()
        work = (self._messages(client), self._savings(), self._stopped.wait())
        tasks = [asyncio.ensure_future(one) for one in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _messages(self, client: aiomqtt.Client) -> None:
        async for one in client.messages:
            await self._heard(client, one)
            while not self._queue.empty():  # at once: the next turn of the loop only brings more
                await self._heard(client, self._queue.get_nowait())

    async def _heard(self, client: aiomqtt.Client, one: aiomqtt.Message) -> None:
        payload = one.payload if isinstance(one.payload, bytes | bytearray) else b""
        message = Message(one.topic.value, bytes(payload), one.retain)
        if self._clock.told(message):
            return
        if topics := self._listening.hear(message, self._clock()):
            await self._subscribe(client, topics)
        if self._listening.waiting >= _SAVED_TOGETHER:
            self._listening.save(self._clock())

    async def _savings(self) -> None:
        while True:
            await asyncio.sleep(self._pace.save)
            self._listening.dropped(self._queue.dropped, self._clock())
            self._queue.dropped = 0
            self._listening.save(self._clock())
            await asyncio.to_thread(self._regularly, self._clock())

    async def _subscribe(self, client: aiomqtt.Client, topics: Sequence[str]) -> None:
        for first in range(0, len(topics), _AT_ONCE):
            several = topics[first : first + _AT_ONCE]
            answers: Sequence[Any] = await client.subscribe([(topic, _QOS) for topic in several])
            for topic, answer in zip(several, answers, strict=False):
                if getattr(answer, "is_failure", False):
                    self._tell(f"{self._broker} does not let this user read {topic}")

    def _client(self) -> aiomqtt.Client:
        return connection(self._broker, self._versions[0], self._context, self._pace.answer, self._new_queue)

    def _new_queue(self, maxsize: int) -> Queue:
        self._queue = Queue(maxsize)
        return self._queue

    def _other_version(self, error: aiomqtt.MqttError) -> bool:
        """Whether another version of MQTT is tried at once. Some brokers say that they do not speak one, others say
        nothing."""
        if self._accepted or len(self._versions) == 1:
            return False
        if _code(error) in _NO_VERSION:
            self._versions.pop(0)
            return True
        if "timed out" in str(error):
            self._versions.reverse()
            return self._versions[0] != next(iter(VERSIONS))
        return False

    def _refused(self, error: aiomqtt.MqttError) -> None:
        code = _code(error)
        if not self._accepted and code in _NO_ACCESS:
            whose = "anonymous users" if self._broker.user is None else f"user {self._broker.user}, or its password"
            raise BrokerError(f"{self._broker} refuses {whose}") from error
        if not self._accepted and code in _NO_VERSION:
            raise BrokerError(f"{self._broker} does not speak MQTT {self._versions[0]}") from error
        if not self._accepted and "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise BrokerError(f"{self._broker}: its certificate is not of the authorities: {error}") from error
        if not self._away:
            self._tell(f"{self._broker}: {error}; it is asked again until it answers")
        self._away = True


def _code(error: aiomqtt.MqttError) -> int | None:
    return getattr(getattr(error, "rc", None), "value", None)


def _context(broker: Broker) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=broker.authorities)
    except (OSError, ValueError) as error:
        raise BrokerError(f"{broker.authorities}: no certificates: {error}") from error


async def _within(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        pass
