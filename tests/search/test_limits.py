import pytest

from lissom.errors import OptionError
from lissom.search.limits import DEFAULT_MAX_DROP, Limits


def test_reads_what_people_write() -> None:
    limits = Limits.parse(
        goal="size",
        max_drop="1%",
        max_latency="5ms",
        max_size="2MB",
        max_memory="50MB",
        budget="10m",
    )
    assert limits == Limits(
        goal="size",
        max_drop=0.01,
        max_latency_ms=5.0,
        max_size_bytes=2_000_000,
        max_memory_bytes=50_000_000,
        budget_seconds=600.0,
    )
    assert limits.to_json() == {
        "max_drop": 0.01,
        "max_latency_ms": 5.0,
        "max_size_bytes": 2_000_000,
        "max_memory_bytes": 50_000_000,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"goal": "fame"},
        {"max_drop": 1.5},
        {"max_drop": -0.1},
        {"max_drop": float("nan")},
        {"max_latency_ms": 0.0},
        {"max_size_bytes": -1},
        {"budget_seconds": float("inf")},
    ],
)
def test_refuses_what_means_nothing(wrong: dict) -> None:
    with pytest.raises(OptionError):
        Limits(**wrong)


def test_default_drop() -> None:
    assert Limits().with_default_drop(data=True).max_drop == DEFAULT_MAX_DROP
    assert Limits().with_default_drop(data=False).max_drop is None
    assert Limits(max_drop=0.03).with_default_drop(data=True).max_drop == 0.03
    small = Limits(max_size_bytes=10)
    assert small.with_default_drop(data=True).max_drop == DEFAULT_MAX_DROP
    assert small.with_default_drop(data=False).max_drop is None
    best = Limits(goal="quality", max_size_bytes=10)
    assert best.with_default_drop(data=True).max_drop is None


def test_unlimited_ignores_the_budget() -> None:
    assert Limits(budget_seconds=5).unlimited
    assert not Limits(max_drop=0.0).unlimited


def test_certified_limits_rest_on_samples_and_always_name_a_drop() -> None:
    asked = Limits.parse(certified=True)
    assert asked.certified
    assert asked.with_default_drop(data=True).max_drop == DEFAULT_MAX_DROP
    with pytest.raises(OptionError, match="--data"):
        asked.with_default_drop(data=False)
    best = Limits(goal="quality", max_size_bytes=10, certified=True)
    assert best.with_default_drop(data=True).max_drop == DEFAULT_MAX_DROP
    assert Limits(max_drop=0.01, certified=True).to_json() == {"max_drop": 0.01, "certified": True}


def test_limits_are_laid_over_others() -> None:
    run = Limits(goal="size", max_drop=0.01, max_size_bytes=10, certified=True)
    found = Limits(max_drop=0.02, max_latency_ms=5.0).over(run)
    assert found == Limits(
        goal="size", max_drop=0.02, max_size_bytes=10, max_latency_ms=5.0, certified=True
    )
    assert Limits(certified=True).over(Limits(max_drop=0.01)).certified
