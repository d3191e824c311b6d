import pytest

from lissom.measure.answers import Outlook
from lissom.measure.judge import Judge
from lissom.measure.wording import Grounds, meaning

CLASSES = Outlook(output="o", kind="classes", why="each row is a distribution over 10 classes")
VECTORS = Outlook(output="o", kind="embedding", why="its rows have length 1")
MAP = Outlook(output="o", kind="map", why="each position is a distribution over 10 classes")
KNOWN = Judge(original_quality=0.93)
VALUES = Outlook(output="o", kind="regression", why="its values are plain numbers")


@pytest.mark.parametrize(
    ("view", "kind", "judge", "grounds", "words"),
    [
        (CLASSES, "labels", Judge(), Grounds(), "measured: the original's top1 less"),
        (
            CLASSES,
            "expected",
            Judge(),
            Grounds(temperature=1.0),
            "as far as the original's confidence is right",
        ),
        (
            CLASSES,
            "expected",
            KNOWN,
            Grounds(quality=0.93, temperature=0.8),
            "temperature of 0.8: as sure",
        ),
        (CLASSES, "expected", Judge(metric="top5"), Grounds(temperature=1.0), "five likeliest"),
        (VECTORS, "expected", KNOWN, Grounds(quality=0.77), "is known to be right (77.00%)"),
        (
            CLASSES,
            "expected",
            Judge(),
            Grounds(quality=0.9, temperature=1.1, labelled=30),
            "30 known",
        ),
        (
            CLASSES,
            "expected",
            Judge(),
            Grounds(quality=0.9, temperature=1.1),
            "by the few labels (90",
        ),
        (MAP, "expected", Judge(), Grounds(temperature=1.0), "measure of overlap"),
        (VECTORS, "bound", Judge(), Grounds(), "an expected drop could be given"),
        (VALUES, "bound", Judge(), Grounds(), "relative to the spread"),
    ],
)
def test_every_kind_of_drop_is_explained(view, kind, judge, grounds, words):
    text = meaning(view, kind, judge, grounds, worst="o", differ=0.125)
    assert words in text
    assert f"'o', read as {view.kind}: {view.why}" in text
    assert ("12.50%" in text) == (view.kind != "regression")


def test_the_worst_output_is_named():
    text = meaning(CLASSES, "labels", Judge(), Grounds(), worst="boxes", differ=0.5)
    assert "(output 'boxes', the worst)" in text
