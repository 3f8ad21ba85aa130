"""The manifests: by the schemas of Kubernetes, and no container has more than it needs."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest

from tests.docker.described import containers, manifests, pods


@pytest.mark.parametrize("manifest", manifests(), ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_the_schemas_take_them(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_a_schema_refuses_what_it_does_not_know() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**manifests()[0], "spek": {}}, kubernetes_validate.latest_version(), strict=True)


def test_no_container_has_more_rights_than_it_needs() -> None:
    for name, container in containers():
        least = {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["securityContext"] == least, name
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == 10001, name
        assert pod["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name


def test_what_is_mounted_is_there() -> None:
    claimed = {
        one["metadata"]["name"]: {claim["metadata"]["name"] for claim in one["spec"]["volumeClaimTemplates"]}
        for one in manifests()
        if one["kind"] == "StatefulSet"
    }
    for name, pod in pods():
        volumes = {one["name"] for one in pod["volumes"]} | claimed.get(name, set())
        for container in pod["containers"]:
            assert {one["name"] for one in container["volumeMounts"]} <= volumes, name
