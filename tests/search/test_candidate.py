from lissom.search.candidate import ORIGINAL
from tests.search.made import candidate, original


def test_the_original_loses_nothing_and_is_as_fast_as_itself() -> None:
    one = original()
    assert one.is_original
    assert one.name == ORIGINAL
    assert (one.drop, one.speedup, one.speedup_interval) == (0.0, 1.0, (1.0, 1.0))


def test_numbers_come_from_what_was_measured() -> None:
    one = candidate("fast", drop=0.004, speed=(2.0, 1.9, 2.1))
    assert (one.drop, one.latency_ms, one.speedup) == (0.004, 1.0, 2.0)
    assert one.speedup_interval == (1.9, 2.1)


def test_what_was_not_measured_is_unknown_but_lossless_drops_nothing() -> None:
    bare = candidate("bare", drop=None, speed=None)
    assert (bare.drop, bare.latency_ms, bare.speedup, bare.speedup_interval) == (None,) * 4
    assert candidate("same", drop=None, lossless=True).drop == 0.0
