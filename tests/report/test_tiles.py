# the signs that people read: minus, times, dash
from typing import Any

from lissom.report.document import document
from lissom.report.schema import Document
from lissom.report.tiles import tiles
from lissom.search.result import Choice, Result


def test_the_delivered_gains(full_document: Document) -> None:
    speed, size, memory, drop = tiles(full_document)
    assert (speed.value, speed.word) == ("3.34×", "faster")
    assert speed.detail == "0.744 ms → 0.223 ms"
    assert speed.interval == "95%: 3.27 to 3.40"
    assert speed.remains == 0.223 / 0.744
    assert (size.value, size.word, size.detail) == ("3.92×", "smaller", "8.50 MB → 2.17 MB")
    assert (memory.value, memory.word) == ("1.87×", "less")
    assert (drop.value, drop.detail) == ("0.06 pt", "of top1, expected without labels")


def test_losses_are_called_losses(make_result: Any, make_candidate: Any) -> None:
    one = make_candidate("x", "quantize.static", 1.488, None, 16_991_314)
    choice = Choice(name="x", met=True, reasons=())
    content = document(make_result(candidates=(one,), front=("x",), choice=choice))
    speed, size, memory, drop = tiles(content)
    assert (speed.value, speed.word) == ("0.50×", "the original's speed")
    assert (size.value, size.word, size.remains) == ("2.00×", "larger", 1.0)
    assert memory.word == "more"
    assert (speed.worse, size.worse, memory.worse) == (True, True, True)
    assert drop.value == "not measured"


def test_every_outcome_has_tiles(any_result: Result) -> None:
    made = tiles(document(any_result))
    assert len(made) >= 2
    assert all(one.title and one.value for one in made)
    assert all(one.remains is None or 0 <= one.remains <= 1 for one in made)


def test_a_latency_is_told_beside_the_one_it_was_timed_with(full_document: Document) -> None:
    full_document["original"]["latency_ms"] = 99.0  # from another run, on a busy machine
    assert tiles(full_document)[0].detail == "0.744 ms → 0.223 ms"


def test_a_verdict_on_the_drop_stands_in_its_tile(rich_document: Document) -> None:
    assert tiles(rich_document)[-1].proof == "expected drop certified"
