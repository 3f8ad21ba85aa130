"""Whatever convention a plug speaks, what it measured arrives: played and heard, the minutes are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from client_agent.data.intake.conventions import NAMES, conventions_of
from client_agent.data.intake.findings import Message
from client_agent.data.intake.listening import Listening
from client_agent.data.intake.readings import READINGS, Readings
from scripts.demonstration.played_plugs import SECONDS, Played, sayings
from scripts.demonstration.plug_voices import VOICES, PlayedPlug
from tests.unit.client_agent.data.intake.scene_plugs import DAY, HOUR, NOW

MIDNIGHT = NOW // DAY * DAY
SOURCES = {
    "tasmota": "tasmota:washer",
    "shelly": "shelly:washer/switch:0",
    "shelly1": "shelly1:washer/relay:0",
    "zigbee2mqtt": "zigbee2mqtt:home/washer",
    "statestream": "statestream:washer",
    "discovery": "discovery:washer",
}


def _watts(seed: int) -> np.ndarray:
    """Two hours, of which twenty minutes were not measured, nor three single reports."""
    generator = np.random.Generator(np.random.PCG64(seed))
    watts = np.round(generator.uniform(0, 2000, 2 * HOUR // SECONDS), 2)
    watts[240:360] = watts[[5, 77, 500]] = np.nan
    return watts


@pytest.mark.parametrize("name", NAMES)
def test_what_was_played_is_what_is_stored(tmp_path: Path, name: str) -> None:
    played = [Played(PlayedPlug("washer"), "Washingmachine", _watts(1)), Played(PlayedPlug("lamp"), "Lamp", _watts(2))]
    voice, topics = VOICES[name], set[str]()
    with Readings(tmp_path / READINGS) as readings:
        listening = Listening(conventions_of(NAMES), readings, pytest.fail)
        listening.connected(MIDNIGHT)

        def hear(topic: str, payload: str, now: int) -> None:
            topics.update(listening.hear(Message(topic, payload.encode()), now))

        for topic, payload, _ in voice.announce([one.plug for one in played]):
            hear(topic, payload, MIDNIGHT)
        for at, said in sayings(played, voice, MIDNIGHT):
            for topic, payload, _ in said:
                hear(topic, payload, at)
        listening.save(MIDNIGHT + 2 * HOUR)
        plugs = {plug.source: plug for plug in readings.appliances()}
        assert len(plugs) == 2
        plug = plugs[SOURCES[name]]
        assert not plug.available if name != "statestream" else plug.available is None
        assert plug.suggested_kind == "Washingmachine"
        found = readings.minutes(plug.number, MIDNIGHT, MIDNIGHT + 2 * HOUR)
        used = readings.energy(plug.number, MIDNIGHT, MIDNIGHT + DAY)
    held = played[0].watts.copy()
    for place in (5, 77, 500):
        held[place] = held[place - 1]  # over a single report that fails the one before it holds
    minutes = held.reshape(-1, 6)
    expected = np.stack([minutes.mean(axis=1), minutes.max(axis=1), minutes.min(axis=1)])
    known = ~np.isnan(expected[0])
    assert np.isnan(found[:, ~known][:, 1:]).all(), "after the minute that a reading holds"
    np.testing.assert_allclose(found[:, known], expected[:, known], rtol=1e-4)
    assert used == pytest.approx(np.nansum(played[0].watts[1:]) * SECONDS / 3600, rel=1e-2)
    assert ("zigbee2mqtt/home/washer" in topics) == (name == "zigbee2mqtt"), "named one by one, not by a wildcard"
