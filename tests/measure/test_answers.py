import json

import numpy as np
import pytest

from lissom.errors import OptionError
from lissom.measure.answers import Outlook, infer, outlook_for, primary, rows_of
from lissom.numerics.statistics import softmax

RNG = np.random.default_rng(0)


def rows(*shape, count=10, scale=3.0):
    return [(RNG.normal(size=shape) * scale).astype(np.float32) for _ in range(count)]


def likely(outs, axis):
    return [softmax(out, axis=axis).astype(np.float32) for out in outs]


def units(outs):
    return [out / np.linalg.norm(out, axis=1, keepdims=True) for out in outs]


def ctc_like():
    outs = rows(1, 12, 30)
    for out in outs:
        out[:, ::2, 0] += 20
    return outs


@pytest.mark.parametrize(
    ("name", "outs", "kind"),
    [
        ("output", rows(1, 10), "classes"),
        ("output", likely(rows(1, 10), 1), "classes"),
        ("output", rows(1, 10, 1, 1), "classes"),
        ("output", [np.log(p) for p in likely(rows(1, 10), 1)], "classes"),
        ("output", units(rows(1, 64)), "embedding"),
        ("sentence_embedding", rows(1, 64), "embedding"),
        ("stateN", rows(1, 64), "regression"),
        ("mos", [np.array([[3.0, 2.1, 1.4]], np.float32) + i / 9 for i in range(9)], "regression"),
        ("tags", [1 / (1 + np.exp(-out)) for out in rows(1, 10)], "binary"),
        ("speech", [np.array([[0.7]], np.float32)], "binary"),
        ("value", rows(1, 1), "regression"),
        ("value", rows(4), "regression"),
        ("out", likely(rows(1, 12, 9), 2), "sequence"),
        ("logits", rows(1, 12, 9), "sequence"),
        ("out", likely(ctc_like(), 2), "ctc"),
        ("out", ctc_like(), "regression"),
        ("memory", rows(1, 12, 64), "regression"),
        ("out", rows(1, 21, 8, 8), "map"),
        ("out", likely(rows(1, 3, 8, 8), 1), "map"),
        ("out", likely(rows(1, 8, 8, 3), 3), "map"),
        ("image", rows(1, 3, 8, 8), "regression"),
        ("mask", [1 / (1 + np.exp(-out)) for out in rows(1, 1, 8, 8)], "binary"),
        ("ids", [np.array([[3, 4]])], "identifiers"),
        ("ids", [np.array([[3.0, 4.0]], np.float32)], "identifiers"),
    ],
)
def test_kinds_are_told_from_values_and_names(name, outs, kind):
    found = infer(name, outs)
    assert found.kind == kind
    assert found.why
    assert Outlook.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_the_axis_of_classes_and_the_blank():
    assert infer("o", likely(rows(1, 8, 8, 3), 3)).axis == 3
    found = infer("o", likely(ctc_like(), 2))
    assert (found.blank, found.probabilities, found.axis) == (0, True, 2)


def test_the_first_output_that_chooses_is_judged():
    views = [
        Outlook(output="stateN", kind="binary"),
        Outlook(output="boxes", kind="regression"),
        Outlook(output="scores", kind="classes"),
    ]
    assert primary(views).output == "scores"
    assert primary(views[:2]).output == "boxes"
    assert primary(views[:1]).output == "stateN"


def test_a_named_metric_overrides():
    views = [infer("a", rows(1, 12, 64)), infer("b", rows(1, 10))]
    ranks = {"a": 3, "b": 2}
    assert outlook_for("top5", views, ranks).output == "b"
    assert outlook_for("embedding", views, ranks).kind == "embedding"
    assert outlook_for("ctc", views, ranks).blank == 0
    assert outlook_for("regression", views, ranks).output == "a"
    with pytest.raises(OptionError, match="'map' fits none of the outputs"):
        outlook_for("map", views, ranks)


def test_samples_come_to_the_first_axis():
    assert rows_of(np.float32(3), 1, 1).shape == (1,)
    assert rows_of(np.zeros((4, 5)), 3, 4).shape == (3, 5)
    assert rows_of(np.zeros((9, 1, 5)), 1, 1).shape == (1, 9, 5)
    assert rows_of(np.zeros((7, 5)), 1, 1).shape == (7, 5)
