"""Named arrays of any shape: what is well formed is read, anything else is one typed error."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import save

from protocol.errors import HearthError, MalformedError
from protocol.messages.learning import Layer, ModelSpec
from protocol.model.dataset import (
    Examples,
    decode_examples,
    decode_labelled,
    encode_examples,
    encode_labelled,
    labelled_for,
    usable,
)
from protocol.model.evaluation import count_correct, fixed_features

INPUTS, LABELS = np.arange(36, dtype=np.uint8).reshape(4, 1, 3, 3), np.array([0, 2, 1, 2], dtype=np.uint8)
GOOD = encode_labelled(INPUTS, LABELS)
MODEL = ModelSpec((1, 3, 3), 3, (Layer("flatten", {}), Layer("linear", {"outputs": 3, "bias": 1})))
KINDS = [np.dtype(f"<{kind}") for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8")]


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
        st.tuples(st.sampled_from(KINDS), arrays.array_shapes(min_dims=0, max_dims=3, max_side=3), st.integers(0, 99)),
        min_size=1,
        max_size=3,
    ).filter(lambda named: "__metadata__" not in named),
    st.integers(1, 4),
)
def test_arrays_of_any_shape_and_kind_come_back(named: dict[str, Any], count: int) -> None:
    given_arrays = {
        name: (np.arange(count * int(np.prod(shape))) + start).astype(kind).reshape(count, *shape)
        for name, (kind, shape, start) in named.items()
    }
    found = decode_examples(encode_examples(Examples(given_arrays)))
    assert len(found) == count
    assert found.arrays.keys() == given_arrays.keys()
    for name, array in given_arrays.items():
        assert found.arrays[name].dtype == array.dtype and np.array_equal(found.arrays[name], array)


def test_some_examples_of_several_arrays() -> None:
    taken = Examples({"inputs": INPUTS, "labels": LABELS}).take(np.array([2, 0]))
    assert taken.arrays["labels"].tolist() == [1, 0]
    assert np.array_equal(taken.arrays["inputs"], INPUTS[[2, 0]])


HOSTILE = [
    b"",
    b"\x80\x04.",
    GOOD[:-1],
    GOOD + b"\0",
    struct.pack("<Q", 2**63) + b"{}",
    save({}),
    save({"inputs": INPUTS, "labels": LABELS[:-1]}),
    save({"inputs": INPUTS[:0], "labels": LABELS[:0]}),
    save({"inputs": np.array(3.0)}),
    save({"inputs": INPUTS > 3}),
    GOOD.replace(b'"U8"', b'"F8"', 1),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_files_that_hold_no_examples(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_examples(data)


@pytest.mark.parametrize(
    "data",
    [
        save({"inputs": INPUTS}),
        save({"inputs": INPUTS, "labels": LABELS, "more": LABELS}),
        save({"inputs": INPUTS, "labels": np.array([0.0, 1.0, np.nan, 1.0], dtype=np.float32)}),
        save({"inputs": INPUTS, "labels": LABELS[:, None]}),
        save({"inputs": INPUTS[:, 0, 0, 0].copy(), "labels": LABELS}),
        save({"inputs": np.array([[1.0], [2.0], [np.nan], [3.0]]), "labels": LABELS}),
        save({"inputs": np.array([[1.0], [2.0], [-np.inf], [3.0]], dtype=np.float16), "labels": LABELS}),
    ],
)
def test_examples_that_are_not_labelled(data: bytes) -> None:
    assert len(decode_examples(data)) == 4
    with pytest.raises(MalformedError):
        decode_labelled(data)


@given(place=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_any_changed_byte_is_read_or_refused(place: int, value: int) -> None:
    changed = bytearray(GOOD)
    changed[place] = value
    try:
        decode_labelled(bytes(changed))
    except HearthError:
        pass


def test_examples_that_do_not_fit_the_model() -> None:
    inputs, labels = INPUTS.astype(np.float64), LABELS.astype(np.int64)
    right: dict[str, Any] = {"inputs": inputs, "labels": labels}
    assert labelled_for(MODEL, Examples(right)) == (inputs, labels)
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"inputs": inputs[:, 0]}, "shape"),
        ({"labels": labels + 1}, "classes"),
        ({"labels": labels - 1}, "classes"),
        ({"inputs": inputs * 1e30}, "inputs from"),
        ({"inputs": inputs * -1e30}, "inputs from"),
        (
            {"inputs": np.where(inputs == 20, np.nan, inputs)},
            "1 of 4 examples do not fit: number 2 has inputs from nan",
        ),
        ({"inputs": np.where(inputs == 20, np.inf, inputs).astype(np.float16)}, "number 2 has inputs from 18.0 to inf"),
    ]
    for wrong, reason in wrongs:
        with pytest.raises(MalformedError, match=reason):
            labelled_for(MODEL, Examples({**right, **wrong}))


@pytest.mark.parametrize("kind", KINDS)
def test_which_examples_fit_for_every_kind_of_number(kind: np.dtype[Any]) -> None:
    labels = np.array([0, 2, 3, 255], dtype=np.uint8)
    assert usable(MODEL, Examples({"inputs": INPUTS.astype(kind), "labels": labels})).tolist() == [
        True,
        True,
        False,
        False,
    ]
    signed = np.array([-1, 2, -(2**63), 2**62])
    assert usable(MODEL, Examples({"inputs": INPUTS.astype(kind), "labels": signed})).tolist() == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_test_set_of_any_kind_is_counted_alike(kind: np.dtype[Any]) -> None:
    parameters = np.random.default_rng(5).normal(size=30).astype(np.float32)
    expected = count_correct(MODEL, parameters, INPUTS, LABELS)
    assert 0 < expected < 4
    assert count_correct(MODEL, parameters, INPUTS.astype(kind), LABELS.astype(np.int32)) == expected
    assert np.array_equal(fixed_features(MODEL, INPUTS.astype(kind)), fixed_features(MODEL, INPUTS))
