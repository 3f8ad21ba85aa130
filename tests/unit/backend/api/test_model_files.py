"""A published model can be fetched and run: the file counts the right answers that stand on chain."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from protocol.identifiers import to_hex
from protocol.model.dataset import decode_labelled
from protocol.model.layout import Layout
from storage.content.interface import get_document
from tests.unit.backend.api.scene_api import enrolling, played

MODELS = "/api/v1/tasks/1/models"


def test_the_list_is_that_of_the_published_rounds() -> None:
    api = played()
    found = api.client.get(MODELS).json()["items"]
    assert [one["round"] for one in found] == [2, 1]
    record = api.scene.record(2)
    assert found[0]["digest"] == to_hex(record.model)
    assert found[0]["score"] == {"correct": record.correct, "examples": record.examples}
    assert api.client.get(f"{MODELS}?cursor=2").json()["items"] == found[1:]


def test_safetensors_are_the_bytes_on_record() -> None:
    api = played()
    answer = api.client.get(f"{MODELS}/2/safetensors")
    spec, model = api.scene.spec, api.scene.record(2).model
    assert answer.content == get_document(api.scene.store, model, Layout.published(spec).max_bytes)
    assert answer.headers["content-disposition"] == 'attachment; filename="task-1-round-2.safetensors"'
    again = api.client.get(f"{MODELS}/2/safetensors", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_onnx_counts_the_right_answers_of_the_record() -> None:
    api = played()
    inputs, labels = decode_labelled(get_document(api.scene.store, api.scene.spec.test_set, 10_000))
    for number in (1, 2):
        answer = api.client.get(f"{MODELS}/{number}/onnx")
        assert answer.headers["content-type"] == "application/octet-stream"
        session = onnxruntime.InferenceSession(answer.content, providers=["CPUExecutionProvider"])
        (classes,) = session.run(["class"], {"inputs": inputs.astype(np.float32)})
        assert int((classes == labels).sum()) == api.scene.record(number).correct
        properties = {entry.key: entry.value for entry in onnx.load_model_from_string(answer.content).metadata_props}
        assert properties["hearth.model"] == to_hex(api.scene.record(number).model)


def test_what_was_not_published_is_not_found() -> None:
    api = enrolling()
    assert api.client.get(MODELS).json() == {"items": [], "next": None}
    for form in ("safetensors", "onnx"):
        assert api.client.get(f"{MODELS}/1/{form}").json()["code"] == "E_NOT_FOUND"
        assert played().client.get(f"{MODELS}/3/{form}").status_code == 404


def test_a_model_that_the_store_lost_is_its_fault() -> None:
    api = enrolling()
    api.scene.submit(1)
    api.scene.until(lambda: api.scene.facts(1).ended)
    api.scene.store.objects.clear()
    answer = api.client.get(f"{MODELS}/1/safetensors")
    assert (answer.status_code, answer.json()["code"]) == (503, "E_CONTENT_MISSING")
