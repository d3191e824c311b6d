"""What certified limits ask for."""

from dataclasses import replace

import numpy as np

from lissom.measure.certificate import certify, measured
from lissom.search.binding import SHARE, binding, lacking
from lissom.search.front import choose, misses
from lissom.search.limits import Limits
from tests.search.made import candidate, original

CERTIFIED = Limits(max_drop=0.01, certified=True)
HELD = np.zeros(1000)
FEW = np.zeros(60)


def test_of_the_drop_the_hard_one_binds_and_never_the_expected_one() -> None:
    (hard,), (soft,) = certify([FEW], 0.01, kind="bound"), certify([HELD], 0.01, kind="expected")
    (labels,) = certify([HELD], 0.01)
    size = measured("size", 1, 2)
    assert binding((soft, labels, hard, size)) == (hard, size)
    assert binding((labels,)) == (labels,)
    assert binding((soft,)) == ()


def test_nothing_is_lacking_where_nothing_must_be_certified() -> None:
    assert lacking(candidate("fast"), replace(CERTIFIED, certified=False)) == []
    assert lacking(original(), CERTIFIED) == []


def test_what_is_absent_or_not_held_is_a_miss_with_how_many_more_would_do() -> None:
    ((name, excess, text),) = lacking(candidate("fast"), CERTIFIED)
    assert (name, excess) == ("drop", float("inf"))
    assert "not certified" in text
    certificates = certify([FEW], 0.01, kind="bound")
    missed = misses(replace(candidate("fast"), certificates=certificates), CERTIFIED)
    assert [one.limit for one in missed] == ["drop"]
    assert 3 < missed[0].excess < 5
    assert SHARE == 0.2
    assert "about 1,200 more samples would decide it" in missed[0].text


def test_the_choice_goes_by_certificates_where_they_bind() -> None:
    fast = candidate("fast", drop=0.002, speed=(3.0, 2.9, 3.1))
    slow = candidate("slow", drop=0.001, speed=(2.0, 1.9, 2.1))
    held, few = (certify([values], 0.01) for values in (HELD, FEW))
    rivals = [original(), replace(fast, certificates=few), replace(slow, certificates=held)]
    assert choose(rivals, Limits(max_drop=0.01)).name == "fast"
    assert choose(rivals, CERTIFIED).name == "slow"
    nothing = choose(rivals[:2], CERTIFIED)
    assert (nothing.name, nothing.met) == ("original", True)
    assert "about 1,200 more samples" in nothing.reasons[0]


def test_where_the_original_does_not_do_either_the_limits_are_missed() -> None:
    limits = replace(CERTIFIED, max_size_bytes=1000)
    small = replace(candidate("small", size=900), certificates=certify([FEW], 0.01))
    choice = choose([original(), small], limits)
    assert not choice.met
    assert "more samples would decide it" in choice.reasons[0]
