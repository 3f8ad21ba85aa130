"""The Compose files: the real program takes them, and no service has more than it needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docker.described import DOCKER, OVERLAYS, configured, services
from tests.tracked import ROOT, tracked


@pytest.mark.parametrize("files", [(), *((overlay,) for overlay in OVERLAYS)], ids=lambda files: str(len(files)))
def test_the_compose_program_takes_them(files: tuple[Path, ...]) -> None:
    assert configured(DOCKER / "compose.yaml", *files)["services"]


def test_no_service_has_more_rights_than_it_needs() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "devices", "pid", "network_mode"} & service.keys(), name
        for port in service.get("ports", ()):
            assert port["host_ip"] == "127.0.0.1", f"{name} is reached from outside"


def test_every_server_says_how_it_is() -> None:
    once = {"ledger", "manufacturer", "auditor"}
    text = (DOCKER / "Dockerfile").read_text()
    checked = set(re.findall(r"^FROM runtime AS (\w+)\n(?:(?!FROM).*\n)*?HEALTHCHECK --", text, re.MULTILINE))
    for name, service in services().items():
        own = service.get("healthcheck", {})
        if not name.startswith("phone") and name not in once:
            assert own.get("test", ["CMD-SHELL"])[0] == "CMD-SHELL", name
            assert own or service["build"]["target"] in checked, name


def test_each_authority_is_in_a_network_of_its_own() -> None:
    found = services()
    authorities = [name for name in found if name.startswith("authority")]
    assert 3 <= len(authorities) <= 5
    for name in authorities:
        assert list(found[name]["networks"]) == [name]
        (state,) = [mount["source"] for mount in found[name]["volumes"] if mount["target"] == "/state"]
        sharing = [one for one, service in found.items() if state in str(service.get("volumes"))]
        assert sharing == [name]


def test_each_secret_goes_to_those_whose_it_is() -> None:
    shared = {"edge": {"edge-1", "edge-2"}, "manufacturer": {"ledger", "manufacturer"}}
    for name, service in services().items():
        for one in service.get("secrets", ()):
            if (owner := re.fullmatch(r"(.*)-(?:keystore|password)", one["source"])) is None:
                continue
            if owner[1] not in ("database", "broker"):
                assert name in shared.get(owner[1], {owner[1]}), f"{name} has the secret {one['source']}"


def test_no_file_of_secrets_is_kept() -> None:
    assert not [path for path in tracked() if "secrets" in path.relative_to(ROOT).parts]
    assert "docker/secrets" in (ROOT / ".gitignore").read_text().splitlines()
