"""Short key names of Home Assistant's discovery, written out; only those that say something about a plug."""

from __future__ import annotations

from typing import Any, Final

_LONG: Final = {
    "avty": "availability",
    "avty_mode": "availability_mode",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "cmps": "components",
    "dev": "device",
    "dev_cla": "device_class",
    "ids": "identifiers",
    "mdl": "model",
    "mf": "manufacturer",
    "p": "platform",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "stat_cla": "state_class",
    "stat_t": "state_topic",
    "t": "topic",
    "uniq_id": "unique_id",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}


def expanded(content: dict[str, Any]) -> dict[str, Any]:
    """A long name that is there already counts."""
    found = {_LONG[key]: value for key, value in content.items() if key in _LONG}
    return {**found, **{key: value for key, value in content.items() if key not in _LONG}}
