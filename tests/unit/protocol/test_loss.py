"""Losses and answers that are classes or numbers: of torch, within a tolerance, and of labels that fit."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from protocol.errors import MalformedError, SpecError
from protocol.messages.learning import MICRO, Layer, ModelSpec
from protocol.model.dataset import Examples, decode_labelled, encode_labelled, labelled_for, usable
from protocol.model.evaluation import count_correct, mean_loss
from protocol.model.loss import logarithm, losses

CLASSES = ModelSpec((2,), 3, (Layer("linear", {"outputs": 3, "bias": 0}),))
NUMBER = ModelSpec((2,), 1, (Layer("linear", {"outputs": 1, "bias": 0}),), tolerance_micro=MICRO // 4)
INPUTS = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
SCORES = np.array([[1.0, -800.0, 3.5], [2.0, 5.0, 3.5], [-3.0, 0.0, 3.5]])


@settings(max_examples=300)
@given(st.floats(1e-300, 1e300) | st.floats(0.9, 1.1))
def test_a_logarithm_is_right(value: float) -> None:
    assert float(logarithm(np.array([value]))[0]) == pytest.approx(log(value), rel=1e-15, abs=1e-16)


def test_the_same_logarithm_on_every_machine() -> None:
    found = [float(value).hex() for value in logarithm(np.array([1.0, 2.0, 3.0, 10.0]))]
    assert found == ["0x0.0p+0", "0x1.62e42fefa39efp-1", "0x1.193ea7aad030bp+0", "0x1.26bb1bbb55516p+1"]


def test_losses_are_those_of_torch() -> None:
    labels = np.array([2.0, 0.0, 1.0])
    expected = functional.cross_entropy(torch.from_numpy(SCORES.T), torch.tensor([2, 0, 1]), reduction="none").numpy()
    np.testing.assert_allclose(losses(CLASSES, SCORES, labels), expected, rtol=1e-14)
    weighted = losses(CLASSES, SCORES, labels, (MICRO, 3 * MICRO, MICRO // 2))
    np.testing.assert_allclose(weighted, expected * [0.5, 1.0, 3.0], rtol=1e-14)
    assert losses(NUMBER, SCORES[:1], labels).tolist() == [0.5, 320_000.0, 3.125]


def test_a_number_is_right_within_the_tolerance() -> None:
    parameters = np.array([1.0, -2.0], dtype=np.float32)  # answers 1, -2 and -2
    right = np.array([1.25, -2.25, -2.0])
    assert count_correct(NUMBER, parameters, INPUTS, right) == 3
    assert count_correct(NUMBER, parameters, INPUTS, np.nextafter(right, [9.0, -9.0, 0.0])) == 1
    assert count_correct(NUMBER, parameters, INPUTS, np.array([1, -2, 5])) == 2, "whole numbers are numbers, too"
    assert count_correct(NUMBER, parameters, INPUTS, right.astype(np.float32)) == 3
    assert count_correct(NUMBER, np.array([np.nan, 1.0], dtype=np.float32), INPUTS, right) == 0
    assert mean_loss(NUMBER, parameters, INPUTS, right) == (0.0625 + 0.0625) / 2 / 3


def test_the_mean_loss_of_classes() -> None:
    zero, labels = np.zeros(6, dtype=np.float32), np.array([0, 1, 2])
    assert mean_loss(CLASSES, zero, INPUTS, labels) == pytest.approx(log(3), rel=1e-15)
    assert mean_loss(CLASSES, zero, INPUTS, labels, (MICRO, MICRO, 4 * MICRO)) == pytest.approx(2 * log(3), rel=1e-15)


def test_labels_that_are_reals_fit_a_model_that_predicts_a_number_alone() -> None:
    labels = np.array([0.5, -1e3, 2.0])
    assert labelled_for(NUMBER, Examples({"inputs": INPUTS, "labels": labels}))[1] is labels
    given_back = decode_labelled(encode_labelled(INPUTS, labels))[1]
    assert given_back.tolist() == labels.tolist()
    for refuse in (
        lambda: labelled_for(CLASSES, Examples({"inputs": INPUTS, "labels": labels})),
        lambda: count_correct(CLASSES, np.zeros(6, dtype=np.float32), INPUTS, labels),
        lambda: mean_loss(CLASSES, np.zeros(6, dtype=np.float32), INPUTS, labels),
    ):
        with pytest.raises(MalformedError, match="3 classes"):
            refuse()


def test_labels_that_are_no_numbers_do_not_fit() -> None:
    labels = np.array([0.5, np.nan, 2.0**64])
    examples = Examples({"inputs": INPUTS, "labels": labels})
    assert usable(NUMBER, examples).tolist() == [True, False, False]
    with pytest.raises(MalformedError, match="2 of 3 examples do not fit: number 1 has label nan"):
        labelled_for(NUMBER, examples)
    with pytest.raises(MalformedError, match="labels hold what is not a number"):
        decode_labelled(encode_labelled(INPUTS, np.array([0.0, np.inf, 1.0])))


def test_a_tolerance_belongs_to_a_number() -> None:
    for classes, tolerance in ((1, 0), (3, 1)):
        with pytest.raises(SpecError, match="tolerance"):
            ModelSpec((2,), classes, CLASSES.layers, tolerance_micro=tolerance)
