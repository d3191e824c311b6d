import json
import math

import numpy as np
import pytest

from lissom.measure.certificate import Certificate, certify, measured, promise


def differences(more, fewer, count, seed=0):
    values = np.zeros(count)
    values[:more], values[more : more + fewer] = 1.0, -1.0
    return np.random.default_rng(seed).permutation(values)


def test_a_limit_that_is_held():
    (found,) = certify([differences(5, 4, 1500)], 0.01)
    assert (found.verdict, found.more_samples, found.place) == ("held", None, 1)
    assert found.estimate == pytest.approx(1 / 1500)
    assert found.estimate < found.bound <= 0.01
    points = math.ceil(found.bound * 10_000) / 100
    assert found.sentence() == (
        f"With 95% confidence the drop is at most {points:.2f} points: the limit of 1.00 points is "
        "held. This takes for granted that the samples were drawn independently from what the "
        "model will meet."
    )


def test_a_limit_that_is_broken():
    (found,) = certify([differences(90, 10, 1000)], 0.01)
    assert (found.verdict, found.more_samples) == ("not held", None)
    assert "With 95% confidence the drop is above the limit of 1.00 points" in found.sentence()
    assert "the estimate is 8.00 points" in found.sentence()


def test_too_few_samples_says_how_many_more_would_do():
    (found,) = certify([np.zeros(60)], 0.01)
    assert found.verdict == "too few samples"
    assert 237 <= found.more_samples <= 250
    (enough,) = certify([np.zeros(60 + found.more_samples)], 0.01)
    assert enough.held
    assert "About 240 more samples would decide it" in found.sentence()
    assert (
        "About 1,200 more samples would decide it at the observed rate, 240 of them for "
        "certification." in found.sentence(share=0.2)
    )


def test_an_estimate_above_the_limit_is_decided_by_more_samples_too():
    (found,) = certify([differences(8, 3, 300)], 0.01)
    assert found.verdict == "too few samples"
    # Whole counts of a small rate can miss the plan by some percent.
    scale = 1.05 * (300 + found.more_samples) / 300
    (later,) = certify([differences(round(8 * scale), round(3 * scale), round(300 * scale))], 0.01)
    assert later.verdict == "not held"


def test_on_the_limit_itself_nothing_decides():
    (found,) = certify([differences(2, 0, 200)], 0.01)
    assert (found.verdict, found.more_samples) == ("too few samples", None)
    assert "No number of samples would decide it" in found.sentence()


def test_candidates_are_tested_in_order_until_one_is_not_held():
    good, open_, bad = (
        differences(4, 4, 1500),
        differences(30, 25, 1500),
        differences(90, 3, 1500),
    )
    first, second, third, last = certify([good, good, open_, good], 0.01)
    assert [first.verdict, second.verdict] == ["held", "held"]
    assert "jointly with the 1 tested before" in second.sentence()
    assert third.verdict == last.verdict == "too few samples"
    assert not third.waits
    assert last.waits
    assert last.bound == first.bound
    assert last.more_samples == third.more_samples
    assert "only an unbroken sequence holds jointly" in last.sentence()
    broken, behind = certify([bad, good], 0.01)
    assert (broken.verdict, behind.verdict) == ("not held", "too few samples")
    assert behind.more_samples is None
    assert [one.place for one in (first, second, third, last)] == [1, 2, 3, 4]


def test_what_is_held_is_true_jointly_as_often_as_stated():
    # Every candidate is just over the limit, so every `held` is wrong; they share their samples.
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(300):
        shared = rng.random(120)
        front = [np.where(shared < 0.06 + 0.001 * k, 1.0, 0.0) for k in range(3)]
        wrong += any(one.held for one in certify(front, 0.0599, kind="bound"))
    assert wrong / 300 <= 0.07


def test_without_labels_the_disagreement_bounds_and_the_estimate_says_its_assumption():
    differ = np.abs(differences(3, 0, 2000))
    (hard,) = certify([differ], 0.01, kind="bound")
    assert hard.held
    assert "the share of answers that differ, which no loss can exceed, is at" in hard.sentence()
    believed = differ * 0.2
    (soft,) = certify([believed], 0.01, kind="expected")
    assert soft.bound < hard.bound
    assert "the expected drop is at most" in soft.sentence()
    assert "original's own confidence is right" in soft.assumption


def test_a_loss_can_be_negative_and_a_disagreement_cannot():
    (found,) = certify([differences(2, 30, 500)], 0.0)
    assert found.held
    assert found.estimate < found.bound < 0
    with pytest.raises(ValueError, match="outside"):
        certify([differences(2, 30, 500)], 0.0, kind="bound")


def test_a_higher_confidence_asks_for_more():
    values = differences(5, 5, 1000)
    (usual,), (strict,) = certify([values], 0.01), certify([values], 0.01, confidence=0.999)
    assert usual.held
    assert not strict.held
    (certain,) = certify([np.zeros(1000)], 0.01, confidence=0.999)
    assert certain.sentence().startswith("With 99.9% confidence the drop is at most 0.")


@pytest.mark.parametrize(
    ("value", "interval", "verdict"),
    [
        (4.0, (3.8, 4.3), "held"),
        (4.9, (4.6, 5.2), "too few samples"),
        (5.6, (5.4, 5.9), "not held"),
    ],
)
def test_latency_goes_by_its_interval(value, interval, verdict):
    found = measured("latency", value, 5.0, interval=interval, count=100)
    assert (found.verdict, found.bound, found.confidence) == (verdict, interval[1], 0.95)
    if verdict == "too few samples":
        # A third of the width asks for nine times the runs.
        assert found.more_samples == pytest.approx(800, abs=1)
        assert "more runs would decide it" in found.sentence()


def test_size_is_exact_and_memory_measured_once():
    size = measured("size", 1_999_999, 2_000_000)
    assert (size.verdict, size.confidence) == ("held", 1.0)
    assert size.sentence().startswith("The size is at most 1,999,999 bytes: the limit of 2,000,000")
    memory = measured("memory", 3e6, 2e6)
    assert (memory.verdict, memory.confidence, memory.more_samples) == ("not held", None, None)
    assert "measured once" in memory.sentence()
    with pytest.raises(ValueError, match="interval"):
        measured("latency", 4.0, 5.0)


def test_json_and_back():
    front = [differences(4, 4, 1500), differences(30, 25, 1500)]
    for found in (*certify(front, 0.01), measured("size", 1, 2)):
        written = json.loads(json.dumps(found.to_json()))
        assert written["sentence"] == found.sentence()
        assert Certificate.from_json(written) == found


def test_a_contradiction_cannot_be_made():
    found = measured("size", 3, 2).to_json()
    with pytest.raises(ValueError, match="does not hold the limit"):
        Certificate.from_json({**found, "verdict": "held"})
    with pytest.raises(ValueError, match="is not a verdict"):
        Certificate.from_json({**found, "verdict": "maybe"})


@pytest.mark.parametrize(
    ("given", "message"), [([], "at least one"), ([math.nan], "finite"), ([2.0], "outside")]
)
def test_unusable_values_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        certify([given], 0.01)


def test_no_candidates_and_what_has_no_samples():
    assert certify([], 0.01) == ()
    with pytest.raises(ValueError, match="use `measured`"):
        certify([[0.0]], 0.01, kind="measured")


def test_promise_puts_the_surest_first():
    sure, unsure, hopeless = (
        promise(0.0, 0.001, 0.01),
        promise(0.0, 0.02, 0.01),
        promise(0.02, 0.03, 0.01),
    )
    assert sure > unsure > 0 > hopeless
    assert promise(0.0, 0.0, 0.01) > sure


def test_plain_numbers_have_an_error_and_assumptions_can_be_added():
    values = np.full(800, 0.001)
    (found,) = certify([values], 0.02, kind="error", besides="the sky is blue")
    assert found.held
    assert found.sentence().startswith("With 95% confidence the error of the outputs, relative to")
    assert found.assumption.endswith("as they do on these samples, and the sky is blue")
    with pytest.raises(ValueError, match="outside"):
        certify([-values], 0.02, kind="error")


def test_runs_are_not_parted():
    found = measured("latency", 4.9, 5.0, interval=(4.6, 5.2), count=100)
    assert found.sentence(share=0.2) == found.sentence()


def test_a_clause_says_why_not():
    (few,) = certify([np.zeros(60)], 0.01)
    assert few.clause(share=0.2).startswith("the drop could be up to ")
    assert "about 1,200 more samples would decide it" in few.clause(share=0.2)
    bad, waiting = certify([differences(90, 10, 1000), np.zeros(1000)], 0.01)
    assert bad.clause() == "the drop is above the limit of 1.00 points"
    assert "one tested before it does not hold" in waiting.clause()
