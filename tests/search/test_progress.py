from lissom.search.progress import Event, describe, silent


def test_one_line_for_people() -> None:
    event = Event(
        stage="latency",
        candidate="float16",
        index=3,
        total=9,
        elapsed_seconds=61,
        remaining_seconds=130,
        best="fused, 1.30x",
    )
    line = describe(event)
    assert line == (
        "[3/9] float16: latency | 1m 01s (about 2m 10s left) | best so far: fused, 1.30x"
    )


def test_before_the_first_candidate() -> None:
    assert describe(Event(stage="load")) == "load | 0s"


def test_silence() -> None:
    assert silent(Event(stage="done")) is None


def test_waiting_is_said_in_words() -> None:
    line = describe(Event(stage="wait", candidate="static", index=1, total=2))
    assert line == "[1/2] static: waiting for other work on this machine to end | 0s"
    assert describe(Event(stage="noise")) == "the original against itself | 0s"
