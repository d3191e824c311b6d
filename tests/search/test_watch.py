from lissom.search.progress import Event
from lissom.search.watch import Watch


def test_the_first_candidate_always_fits_and_the_next_by_estimate() -> None:
    watch = Watch(progress=lambda _: None, total=3, budget=10.0)
    assert watch.fits()
    watch.took.append(100.0)
    assert not watch.fits()
    watch.took[:] = [0.5]
    assert watch.fits()


def test_earlier_sittings_count() -> None:
    assert not Watch(progress=lambda _: None, total=1, budget=10.0, before=9.5, took=[1.0]).fits()


def test_without_a_budget_everything_fits() -> None:
    watch = Watch(progress=lambda _: None, total=3, took=[1e9])
    assert watch.fits()
    assert watch.deadline is None


def test_tells_what_is_left() -> None:
    seen: list[Event] = []
    watch = Watch(progress=seen.append, total=4)
    watch.tell("original")
    watch.index, watch.candidate, watch.best = 2, "float16", "fused, 1.2x"
    watch.took += [2.0, 4.0]
    watch.tell("latency")
    assert seen[0].remaining_seconds is None
    assert seen[1].remaining_seconds == 9.0
    assert (seen[1].index, seen[1].total, seen[1].best) == (2, 4, "fused, 1.2x")


def test_what_is_left_is_never_more_than_the_budget() -> None:
    seen: list[Event] = []
    Watch(progress=seen.append, total=100, budget=5.0, took=[60.0]).tell("build")
    assert seen[0].remaining_seconds is not None
    assert seen[0].remaining_seconds <= 5.0
