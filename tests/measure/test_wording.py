import pytest

from lissom.measure.answers import Outlook
from lissom.measure.judge import Judge
from lissom.measure.wording import meaning

CLASSES = Outlook(output="o", kind="classes", why="each row is a distribution over 10 classes")
VECTORS = Outlook(output="o", kind="embedding", why="its rows have length 1")
VALUES = Outlook(output="o", kind="regression", why="its values are plain numbers")


@pytest.mark.parametrize(
    ("view", "kind", "judge", "temperature", "words"),
    [
        (CLASSES, "labels", Judge(), None, "measured: the original's top1 less"),
        (CLASSES, "expected", Judge(), 1.0, "as far as the original's confidence is right"),
        (CLASSES, "expected", Judge(original_quality=0.93), 0.8, "temperature of 0.8"),
        (CLASSES, "expected", Judge(metric="top5"), 1.0, "five likeliest classes"),
        (VECTORS, "expected", Judge(original_quality=0.77), None, r"right \(77\.00%\)"),
        (VECTORS, "bound", Judge(), None, "an expected drop could be given"),
        (VALUES, "bound", Judge(), None, "relative to the spread"),
    ],
)
def test_every_kind_of_drop_is_explained(view, kind, judge, temperature, words):
    text = meaning(view, kind, judge, temperature, worst="o", differ=0.125)
    assert words.replace("\\", "") in text
    assert f"'o', read as {view.kind}: {view.why}" in text
    assert ("12.50%" in text) == (view.kind != "regression")


def test_the_worst_output_is_named():
    text = meaning(CLASSES, "labels", Judge(), None, worst="boxes", differ=0.5)
    assert "(output 'boxes', the worst)" in text
