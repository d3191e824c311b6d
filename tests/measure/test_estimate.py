import numpy as np
import pytest

from lissom.measure.answers import Outlook
from lissom.measure.collect import Collector
from lissom.measure.estimate import Trust, corrected_quality, estimate
from lissom.measure.expected import compare, confidences
from lissom.numerics.statistics import softmax

CLASSES = Outlook(output="o", kind="classes", axis=1)
STEPS = Outlook(output="o", kind="sequence", axis=2)
YES_NO = Outlook(output="o", kind="binary")
VECTORS = Outlook(output="o", kind="embedding")


def collected(outlook, out, keep=32):
    collector = Collector(outlook, keep=keep)
    collector.take(np.asarray(out, np.float32))
    return collector.arrays()


class World:
    """Scores whose softmax is the truth, and noisy scores of a candidate."""

    def __init__(self, seed, count, noise=0.5, classes=6):
        self.rng = np.random.default_rng(seed)
        scores = self.rng.normal(size=(count, classes)) * 3
        chance = softmax(scores).cumsum(axis=1)
        self.truth = (chance > self.rng.random((count, 1))).argmax(axis=1)
        noisy = scores + noise * self.rng.normal(size=scores.shape)
        self.original, self.candidate = collected(CLASSES, scores), collected(CLASSES, noisy)
        self.right = (scores.argmax(axis=1) == self.truth).astype(float)
        self.lost = self.right - (noisy.argmax(axis=1) == self.truth)

    def estimated(self, labels=0, **options):
        lost = np.where(np.arange(len(self.lost)) < labels, self.lost, np.nan) if labels else None
        found = compare(self.original, self.candidate, CLASSES, temperature=1.0)
        trust = Trust(**{"temperature": 1.0, "quality_known": True, **options})
        return estimate(self.original, self.candidate, CLASSES, found, trust, lost=lost), found


TRUE = float(np.mean([World(seed, 20_000).lost.mean() for seed in range(5)]))


def test_it_is_closer_to_the_truth_than_counting_and_its_interval_holds_it():
    tried, counted, held = [], [], 0
    for seed in range(60):
        found, compared = World(seed, 150).estimated()
        tried.append(found.drop - TRUE)
        counted.append(compared.drop.mean() - TRUE)
        held += found.interval[0] <= TRUE <= found.interval[1]
        assert found.interval[0] <= found.drop <= found.interval[1]
    assert np.std(tried) < 0.92 * np.std(counted)
    assert abs(np.mean(tried)) < 0.3 * TRUE
    assert held >= 57


def test_a_model_beside_itself_loses_nothing_and_the_interval_says_how_little_is_known():
    world = World(0, 100)
    same = compare(world.original, world.original, CLASSES, temperature=1.0)
    found = estimate(
        world.original, world.original, CLASSES, same, Trust(temperature=1.0, quality_known=True)
    )
    assert (found.drop, found.labelled) == (0.0, 0)
    assert 0.001 < found.interval[1] < 0.03
    assert found.interval[0] == -found.interval[1]


def test_an_unknown_quality_is_trusted_less():
    world = World(1, 400)
    known, _ = world.estimated()
    unknown, _ = world.estimated(quality_known=False)
    assert known.drop == unknown.drop
    assert unknown.interval[0] < known.interval[0] < known.interval[1] < unknown.interval[1]


def test_labels_correct_a_wrong_belief():
    # Confidence far too high: at a tenth of the temperature every loss looks certain.
    world = World(3, 2000, noise=1.0)
    true = world.lost.mean()
    sure = compare(world.original, world.candidate, CLASSES, temperature=0.1)

    def estimated(labels):
        lost = np.where(np.arange(2000) < labels, world.lost, np.nan)
        trust = Trust(temperature=0.1, quality_known=False)
        return estimate(world.original, world.candidate, CLASSES, sure, trust, lost=lost)

    errors = [abs(estimated(labels).drop - true) for labels in (0, 30, 1500)]
    assert errors[0] > 0.03
    assert errors[2] < 0.3 * errors[0]
    assert estimated(1500).labelled == 1500
    width = [np.diff(estimated(labels).interval)[0] for labels in (0, 1500)]
    assert width[1] < width[0]


def test_a_few_labels_move_it_little():
    held, moved = 0, []
    for seed in range(40):
        world = World(seed, 150)
        plain, few = world.estimated()[0], world.estimated(labels=15)[0]
        moved.append(few.drop - plain.drop)
        held += few.interval[0] <= TRUE <= few.interval[1]
    assert np.std(moved) < 0.01
    assert held >= 38


def test_other_kinds_are_averaged():
    scores = np.log(np.random.default_rng(0).dirichlet(np.ones(4), size=(30, 5)))
    original = collected(STEPS, scores)
    candidate = collected(STEPS, scores[..., ::-1], keep=1)
    compared = compare(original, candidate, STEPS, temperature=1.0)
    found = estimate(
        original, candidate, STEPS, compared, Trust(temperature=1.0, quality_known=False)
    )
    assert found.drop == pytest.approx(compared.drop.mean())
    nothing = compare(
        collected(VECTORS, np.eye(3)), collected(VECTORS, np.eye(3)), VECTORS, temperature=None
    )
    with pytest.raises(ValueError, match="no honest estimate"):
        estimate({}, {}, VECTORS, nothing, Trust(temperature=None, quality_known=False))


def test_a_single_yes_or_no_is_a_choice_of_two():
    rng = np.random.default_rng(0)
    values = rng.random((200, 1))
    original = collected(YES_NO, values, keep=2)
    candidate = collected(YES_NO, np.clip(values + 0.1 * rng.normal(size=(200, 1)), 0, 1), keep=2)
    compared = compare(original, candidate, YES_NO, temperature=1.0)
    found = estimate(
        original, candidate, YES_NO, compared, Trust(temperature=1.0, quality_known=False)
    )
    assert 0 < found.drop <= compared.disagreement.mean()
    assert found.drop != pytest.approx(compared.drop.mean())


def test_an_answer_that_is_not_finite_is_a_loss():
    world = World(0, 60)
    broken = collected(CLASSES, np.full((60, 6), np.nan))
    compared = compare(world.original, broken, CLASSES, temperature=1.0)
    found = estimate(
        world.original, broken, CLASSES, compared, Trust(temperature=1.0, quality_known=True)
    )
    sure = confidences(world.original, CLASSES)
    assert found.drop == pytest.approx(sure.mean(), rel=1e-5)


def test_the_quality_is_learned_from_labels_as_far_as_they_go():
    world = World(5, 3000)
    sure = confidences(collected(CLASSES, np.log(softmax(np.eye(6) * 9))), CLASSES)
    assert sure == pytest.approx(softmax(np.array([[9.0, 0, 0, 0, 0, 0]])).max(), rel=1e-5)
    confidence = np.full(3000, 0.999)
    few = np.where(np.arange(3000) < 20, world.right, np.nan)
    many = np.where(np.arange(3000) < 2500, world.right, np.nan)
    true = world.right.mean()
    errors = [abs(corrected_quality(scores, confidence) - true) for scores in (few, many)]
    assert errors[1] < 0.01
    assert corrected_quality(np.full(9, np.nan), np.ones(9)) is None
    assert corrected_quality(np.ones(9), np.ones(9)) <= 0.995
    assert corrected_quality(np.ones(5), None) is None
    assert corrected_quality(np.r_[np.ones(30), np.zeros(10)], None) == 0.75
