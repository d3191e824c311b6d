"""Noise never ranks, someone is always left, and what is chosen holds the limits."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.search.candidate import ORIGINAL, Candidate
from lissom.search.front import beats, choose, front, misses
from lissom.search.limits import Limits
from tests.search.made import MB, candidate, original, timing

BASE = original()


def names(candidates: tuple[Candidate, ...]) -> list[str]:
    return [c.name for c in candidates]


def test_better_in_everything_beats() -> None:
    fast = candidate("fast", drop=-0.001, speed=(2, 1.9, 2.1), size=4 * MB, memory=10 * MB)
    assert beats(fast, BASE)
    assert not beats(BASE, fast)
    assert names(front([BASE, fast], "speed")) == ["fast"]


def test_overlapping_speeds_do_not_rank() -> None:
    one = candidate("one", drop=0.01, speed=(2.0, 1.8, 2.2))
    two = candidate("two", drop=0.01, speed=(2.1, 1.9, 2.3))
    assert not beats(one, two)
    assert not beats(two, one)
    assert set(names(front([one, two], "speed"))) == {"one", "two"}


def test_slower_inside_the_noise_but_smaller_beats() -> None:
    one = candidate("one", speed=(2.0, 1.8, 2.2), size=4 * MB)
    two = candidate("two", speed=(2.1, 1.9, 2.3), size=8 * MB)
    assert beats(one, two)


def test_each_dimension_alone_keeps_a_candidate_on_the_front() -> None:
    careful = candidate("careful", drop=0.001, speed=(1.5, 1.4, 1.6))
    fast = candidate("fast", drop=0.009, speed=(3, 2.9, 3.1))
    small = candidate("small", drop=0.009, speed=(0.5, 0.4, 0.6), size=1 * MB)
    lean = candidate("lean", drop=0.009, speed=(0.5, 0.4, 0.6), memory=5 * MB)
    found = front([BASE, careful, fast, small, lean], "speed")
    assert names(found)[0] == "fast"
    assert set(names(found)) == {ORIGINAL, "careful", "fast", "small", "lean"}


def test_failed_candidates_are_left_out() -> None:
    assert names(front([BASE, candidate("bad", failed="crashed")], "speed")) == [ORIGINAL]


def test_unknown_drop_beats_nothing_and_yields_only_to_lossless() -> None:
    unknown = candidate("int4", drop=None, speed=(2, 1.9, 2.1), size=2 * MB)
    bigger = candidate("int8", drop=None, speed=(1.5, 1.4, 1.6), size=4 * MB)
    fused = candidate("fused", drop=None, lossless=True, speed=(2, 1.9, 2.1), size=2 * MB)
    assert not beats(unknown, bigger)
    assert not beats(unknown, BASE)
    assert beats(fused, bigger)


def test_circle_of_mutual_beatings_leaves_someone() -> None:
    noise = 0.0004
    one = candidate("a", drop=0.0, size=8 * MB, memory=20 * MB)
    two = candidate("b", drop=noise, size=7 * MB, memory=20 * MB)
    three = candidate("c", drop=2 * noise, size=7 * MB, memory=10 * MB)
    assert len(front([one, two, three], "speed")) >= 1


numbers = st.tuples(
    st.sampled_from([0.0, 0.0004, 0.0008, 0.0012, 0.02, None]),
    st.sampled_from([0.5, 0.97, 1.0, 1.02, 1.04, 2.0]),
    st.sampled_from([1 * MB, 1001 * 10**3, 1003 * 10**3, 4 * MB]),
    st.sampled_from([10 * MB, int(10.2 * MB), int(11.1 * MB), 40 * MB]),
)


@given(st.lists(numbers, max_size=8), st.sampled_from(["speed", "size", "memory", "quality"]))
def test_laws(rows: list[tuple], goal: str) -> None:
    tried = [
        candidate(f"c{i}", drop=d, speed=(s, s * 0.98, s * 1.02), size=z, memory=m)
        for i, (d, s, z, m) in enumerate(rows)
    ]
    found = front([BASE, *tried], goal)  # type: ignore[arg-type]
    assert found
    assert not any(beats(a, b) for a in found for b in found if a is not b)
    for left_out in {c.name for c in [BASE, *tried]} - set(names(found)):
        assert any(
            beats(c, next(t for t in [BASE, *tried] if t.name == left_out)) for c in [BASE, *tried]
        )
    limits = Limits(goal=goal, max_drop=0.01)  # type: ignore[arg-type]
    choice = choose([BASE, *tried], limits)
    chosen = next(c for c in [BASE, *tried] if c.name == choice.name)
    assert choice.met
    assert not misses(chosen, limits)
    assert choice.reasons
    if goal == "speed" and not chosen.is_original:
        assert chosen.speedup_interval is not None
        assert chosen.speedup_interval[0] > 1


def test_best_within_the_drop_limit() -> None:
    tried = [
        candidate("wild", drop=0.05, speed=(5, 4.9, 5.1)),
        candidate("good", drop=0.008, speed=(3, 2.9, 3.1)),
        candidate("safe", drop=0.001, speed=(2, 1.9, 2.1)),
    ]
    choice = choose([BASE, *tried], Limits(max_drop=0.01))
    assert (choice.name, choice.met) == ("good", True)
    assert "3.00x" in choice.reasons[0]
    assert choose([BASE, *tried], Limits(max_drop=0.005)).name == "safe"


def test_ties_go_to_the_smaller_drop() -> None:
    tried = [
        candidate("lossy", drop=0.009, speed=(3.1, 2.9, 3.3)),
        candidate("exact", drop=0.001, speed=(3.0, 2.8, 3.2)),
        candidate("slow", drop=0.0, speed=(2.0, 1.9, 2.1)),
    ]
    choice = choose([BASE, *tried], Limits(max_drop=0.01))
    assert choice.name == "exact"
    (told,) = choice.reasons
    assert told.startswith("exact ties for the best on speed within the limits: 3.00x")
    assert "Noise does not tell it from lossy on speed (3.10x" in told
    assert told.endswith("The smaller drop decides.")


def judged(one: Candidate, *, half: float, **changes: Any) -> Candidate:
    """A candidate whose drop is known to so much to either side."""
    assert one.quality is not None
    drop = one.quality.drop
    ends = (drop - half, drop + half)
    return replace(one, quality=replace(one.quality, drop_interval=ends, **changes))


def test_where_samples_do_not_tell_drops_apart_the_smaller_file_decides() -> None:
    """150 samples: four points of drop are nothing, the file of half the size is something."""
    large = judged(candidate("large", drop=-0.013, speed=(1.6, 1.5, 1.7), size=6 * MB), half=0.03)
    small = judged(candidate("small", drop=0.005, speed=(1.55, 1.5, 1.7), size=3 * MB), half=0.03)
    choice = choose([BASE, large, small], Limits(max_drop=0.01))
    assert choice.name == "small"
    assert "tell it from large on speed" in choice.reasons[0]
    assert choice.reasons[0].endswith("apart either: the smaller file decides.")
    surer = [judged(large, half=0.005), judged(small, half=0.005)]
    assert choose([BASE, *surer], Limits(max_drop=0.01)).name == "large"
    # the best on speed by its number needs no word on ties
    faster = replace(small, timing=timing(1.65, 1.5, 1.8))
    (told,) = choose([BASE, large, faster], Limits(max_drop=0.01)).reasons
    assert told.startswith("small is the best on speed within the limits")
    # files of one size: what is estimated is better than nothing
    like = replace(small, size_bytes=6 * MB)
    quicker = replace(like, timing=timing(1.65, 1.5, 1.8))
    choice = choose([BASE, large, quicker], Limits(max_drop=0.01))
    assert choice.name == "large"
    assert "smaller estimate of the drop decides" in choice.reasons[0]


def test_without_labels_answers_that_differ_more_are_a_larger_drop() -> None:
    """An expected drop of nothing has a wide interval just where many answers differ."""
    wild = judged(
        candidate("wild", drop=0.0004, speed=(2, 1.9, 2.1), size=3 * MB),
        half=0.03, drop_kind="expected", disagreement=0.08, disagreement_interval=(0.05, 0.13),
    )  # fmt: skip
    calm = judged(
        candidate("calm", drop=0.0001, speed=(1.95, 1.9, 2.1), size=6 * MB),
        half=0.01, drop_kind="expected", disagreement=0.006, disagreement_interval=(0.0, 0.03),
    )  # fmt: skip
    assert choose([BASE, wild, calm], Limits(max_drop=0.01)).name == "calm"
    alone = choose([BASE, wild], Limits(max_drop=0.01)).reasons[0]
    assert alone.endswith("expected drop 0.04 points, 8% of answers differ.")
    luckier = replace(wild, quality=replace(wild.quality, drop=-0.004))
    assert choose([BASE, luckier, calm], Limits(max_drop=0.01)).name == "calm"
    near = replace(wild, quality=replace(wild.quality, disagreement_interval=(0.02, 0.2)))
    assert choose([BASE, near, calm], Limits(max_drop=0.01)).name == "wild"
    lossless = candidate("same", drop=None, lossless=True, speed=(1.95, 1.9, 2.1), size=6 * MB)
    assert choose([BASE, wild, lossless], Limits(max_drop=0.01)).name == "same"


def test_gain_inside_the_noise_returns_the_original_and_says_so() -> None:
    choice = choose([BASE, candidate("flat", speed=(1.03, 0.99, 1.07))], Limits(max_drop=0.01))
    assert (choice.name, choice.met) == (ORIGINAL, True)
    assert "flat" in choice.reasons[0]
    assert "1.03x" in choice.reasons[0]


def test_without_data_only_lossless_is_within_a_drop_limit() -> None:
    tried = [
        candidate("int4", drop=None, speed=(3, 2.9, 3.1), size=1 * MB),
        candidate("fused", drop=None, lossless=True, speed=(1.3, 1.2, 1.4)),
    ]
    assert choose([BASE, *tried], Limits(max_drop=0.01)).name == "fused"
    only = choose([BASE, tried[0]], Limits(max_drop=0.01))
    assert only.name == ORIGINAL
    assert "not measured" in only.reasons[0]
    assert choose([BASE, *tried], Limits(max_size_bytes=2 * MB)).name == "int4"


def test_limits_that_cannot_be_met_name_the_nearest_and_the_excess() -> None:
    tried = [
        candidate("half", size=4 * MB, speed=(2, 1.9, 2.1)),
        candidate("none", failed="crashed", size=None),
    ]
    choice = choose([BASE, *tried], Limits(max_size_bytes=2 * MB))
    assert not choice.met
    assert "half" in choice.reasons[0]
    assert "4.00 MB over the limit of 2.00 MB" in choice.reasons[0]


def test_holding_the_limits_but_worse_on_the_goal_is_not_delivered() -> None:
    slow = candidate("slow", size=1 * MB, speed=(0.5, 0.4, 0.6))
    choice = choose([BASE, slow], Limits(max_size_bytes=2 * MB))
    assert not choice.met
    assert "name another goal" in choice.reasons[0]
    assert choose([BASE, slow], Limits(goal="size", max_size_bytes=2 * MB)).name == "slow"
    same = candidate("same", size=1 * MB, speed=(0.99, 0.95, 1.03))
    assert choose([BASE, same], Limits(max_size_bytes=2 * MB)).name == "same"


@pytest.mark.parametrize(("goal", "expected"), [("size", "small"), ("memory", "lean")])
def test_other_goals(goal: str, expected: str) -> None:
    tried = [
        candidate("small", drop=0.005, size=2 * MB, speed=(0.9, 0.8, 1.0)),
        candidate("lean", drop=0.005, memory=5 * MB, speed=(0.9, 0.8, 1.0)),
    ]
    assert choose([BASE, *tried], Limits(goal=goal, max_drop=0.01)).name == expected  # type: ignore[arg-type]


def test_goal_quality_keeps_the_original_unless_equal_and_faster() -> None:
    lossy = candidate("lossy", drop=0.004, speed=(3, 2.9, 3.1), size=2 * MB)
    exact = candidate("exact", drop=0.0, speed=(1.5, 1.4, 1.6))
    assert choose([BASE, lossy], Limits(goal="quality")).name == ORIGINAL
    assert choose([BASE, lossy, exact], Limits(goal="quality")).name == "exact"
    assert (
        choose([BASE, lossy, exact], Limits(goal="quality", max_size_bytes=3 * MB)).name == "lossy"
    )


def test_without_a_drop_limit_what_cannot_be_judged_must_stay_close() -> None:
    far = replace(
        candidate("int4", drop=None, size=1 * MB, speed=(1, 0.99, 1.01)), max_relative_error=0.2
    )
    near = replace(
        candidate("float16", drop=None, size=4 * MB, speed=(1, 0.99, 1.01)),
        max_relative_error=0.001,
    )
    assert choose([BASE, far, near], Limits(goal="size")).name == "float16"
    assert choose([BASE, far], Limits(goal="size")).name == ORIGINAL
    assert choose([BASE, near], Limits(goal="size", max_drop=0.01)).name == ORIGINAL


def test_an_interval_so_wide_that_it_equals_everything_beats_nothing() -> None:
    sure = candidate("sure", speed=(4.7, 4.68, 4.76), memory=22 * MB)
    vague = candidate("vague", speed=(3.4, 2.6, 7.0), memory=17 * MB)
    assert not beats(vague, sure)
    assert set(names(front([sure, vague], "speed"))) == {"sure", "vague"}
    less = replace(vague, quality=replace(vague.quality, drop=-0.005))
    assert choose([BASE, sure, less], Limits(max_drop=0.01)).name == "sure"


def test_what_is_delivered_stays_on_the_front() -> None:
    one = candidate("one", speed=(2.0, 1.9, 2.1), memory=20 * MB)
    two = candidate("two", speed=(2.0, 1.9, 2.1), memory=10 * MB)
    assert names(front([one, two], "speed")) == ["two"]
    assert set(names(front([one, two], "speed", keep="one"))) == {"one", "two"}


def test_differences_inside_the_noise_floor_do_not_rank() -> None:
    """Intervals that do not meet, on a clock that cannot tell 5% from nothing."""
    slow = candidate("slow", drop=0.001, speed=(2.0, 1.99, 2.01))
    fast = candidate("fast", drop=0.009, speed=(2.08, 2.07, 2.09))
    assert choose([BASE, slow, fast], Limits(max_drop=0.01)).name == "fast"
    noisy = [replace(one, noise_floor=0.05) for one in (BASE, slow, fast)]
    assert choose(noisy, Limits(max_drop=0.01)).name == "slow"
    assert "fast" not in names(front(noisy, "speed"))
    little = replace(candidate("little", speed=(1.04, 1.03, 1.05)), noise_floor=0.05)
    assert choose([noisy[0], little], Limits(max_drop=0.01)).name == ORIGINAL
