import numpy as np
import pytest

from lissom.errors import OptionError, SamplesError
from lissom.measure.answers import Outlook
from lissom.measure.judge import Judge
from lissom.measure.samples import Feed
from lissom.measure.scoring import scorer_for

CLASSES = Outlook(output="o", kind="classes", axis=1)
SCORES = np.array([[0.1, 0.5, 0.4, 0.0, 0.0, 0.0], [0.2, 0.2, 0.2, 0.2, 0.1, 0.1]])


def feed(labels, batch=2):
    return Feed(indices=(0, 1), inputs={}, labels=np.asarray(labels), batch=batch)


def scores(metric, labels, outputs=SCORES):
    scorer = scorer_for(Judge(metric=metric), CLASSES, labels=True)
    return scorer({"o": outputs}, feed(labels)).tolist()


def test_top_one_and_top_five():
    assert scores(None, [1, 0]) == [1.0, 1.0]
    assert scores("top1", [2, 1]) == [0.0, 0.0]
    assert scores("top5", [3, 5]) == [1.0, 0.0]
    assert scores("top1", [[1], [0]]) == [1.0, 1.0]


def test_an_answer_that_is_not_finite_is_wrong():
    assert scores("top1", [1, 0], SCORES * np.nan) == [0.0, 0.0]


@pytest.mark.parametrize("labels", [[1], [1, 6], [-2, 0], [0.5, 1.0], ["a", "b"]])
def test_labels_must_be_classes(labels):
    with pytest.raises(SamplesError, match="label"):
        scores("top1", labels)


def test_an_unknown_label_has_no_score():
    assert np.isnan(scores("top1", [-1, 0])).tolist() == [True, False]
    assert np.isnan(scores("top5", [-1, -1])).all()


def test_no_labels_no_scorer():
    assert scorer_for(Judge(), CLASSES, labels=False) is None


def test_labels_need_class_scores_or_a_function():
    lines = Outlook(output="o", kind="ctc", axis=2, blank=0)
    with pytest.raises(OptionError, match="name a function"):
        scorer_for(Judge(), lines, labels=True)
    with pytest.raises(OptionError, match="have none"):
        scorer_for(Judge(metric="metric_of_a_test:half"), CLASSES, labels=False)


def test_a_function_scores_samples(tmp_path, monkeypatch):
    (tmp_path / "metric_of_a_test.py").write_text(
        "def right(outputs, labels):\n    return outputs['o'].argmax(1) == labels\n"
        "def wild(outputs, labels):\n    return labels * 7.0\n"
        "def short(outputs, labels):\n    return []\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert scores("metric_of_a_test:right", [1, 3]) == [1.0, 0.0]
    with pytest.raises(OptionError, match=r"from 7\.0 to 14\.0"):
        scores("metric_of_a_test:wild", [1, 2])
    with pytest.raises(OptionError, match="0 scores for 2 samples"):
        scores("metric_of_a_test:short", [1, 2])
    with pytest.raises(OptionError, match="cannot be imported"):
        scores("metric_of_a_test:absent", [1, 2])


def test_a_function_sees_only_what_has_a_label(tmp_path, monkeypatch):
    (tmp_path / "metric_of_few.py").write_text(
        "def right(outputs, labels):\n"
        "    assert len(outputs['o']) == len(labels) == 1\n"
        "    return outputs['o'].argmax(1) == labels\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = scores("metric_of_few:right", [-1, 0])
    assert np.isnan(found[0])
    assert found[1] == 1.0
    assert np.isnan(scores("metric_of_few:right", ["", ""])).all()
