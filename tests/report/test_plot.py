# the signs that people read: minus, times
import itertools
from typing import Any

import pytest

from lissom.report.document import document
from lissom.report.plot import Spot, View, front_views
from lissom.report.schema import Document
from lissom.search.result import Choice, Result


def spot(view: View, name: str) -> Spot:
    return next(one for one in view.spots if one.name == name)


def test_three_views_where_quality_is_known(full_document: Document) -> None:
    views = front_views(full_document)
    assert [(view.key, view.label) for view in views] == [
        ("speed", "Latency"), ("size", "Size"), ("memory", "Memory"),
    ]  # fmt: skip
    chosen = spot(views[0], "int8-static-mse")
    assert chosen.kind == "chosen"
    assert chosen.x == pytest.approx(views[0].across.place(0.744 / 0.223))
    assert chosen.y == pytest.approx(views[0].up.place(0.06))
    sized = spot(views[1], "int8-static-mse")
    assert sized.x == pytest.approx(views[1].across.place(8_495_657 / 2_167_004))


def test_intervals_are_bars_through_the_mark(full_document: Document) -> None:
    view = front_views(full_document)[0]
    one = spot(view, "int8-static-mse")
    level, upright = one.bars
    assert level[1] == level[3] == one.y
    assert level[0] < one.x < level[2]
    assert upright[0] == upright[2] == one.x
    assert upright[1] == pytest.approx(view.up.place(-0.06))
    assert upright[3] == pytest.approx(view.up.place(0.18))
    assert spot(view, "original").bars == ()


def test_up_is_better_and_the_limit_is_shaded(full_document: Document) -> None:
    view = front_views(full_document)[0]
    assert view.up.place(0.0) < view.up.place(1.0)
    (band,) = view.up_bands
    assert (band.kind, band.text) == ("beyond", "limit 1.00 pt")
    assert (band.first, band.last) == (pytest.approx(view.up.place(1.0)), 1.0)


def test_a_limit_on_the_size_is_shaded_in_its_view(full_document: Document) -> None:
    speed, size, _ = front_views(full_document)
    assert speed.across_bands == ()
    (band,) = size.across_bands
    assert band.text == "limit 4.00 MB"
    assert band.last == pytest.approx(size.across.place(8_495_657 / 4_000_000))


def test_the_noise_is_drawn_around_one(rich_document: Document) -> None:
    view = front_views(rich_document)[0]
    (band,) = view.across_bands
    assert band.kind == "noise"
    assert band.first < view.across.place(1.0) < band.last
    assert [one.kind for one in front_views(rich_document)[2].across_bands] == []


def test_a_far_candidate_does_not_flatten_the_rest(full_document: Document) -> None:
    view = front_views(full_document)[0]
    assert view.outside == 1
    assert not view.up.inside(9.4)
    assert 0 <= view.up.place(9.4) <= 1


def test_every_measured_model_is_in_the_picture(any_result: Result) -> None:
    content = document(any_result)
    entries = [*content["front"], *content["others"]]
    for view in front_views(content):
        rated = content["quality"] is not None
        drawn = [one for one in entries if not rated or one["drop"] is not None]
        assert sorted(one.name for one in view.spots) == sorted(one["name"] for one in drawn)
        for one in view.spots:
            assert 0 <= one.x <= 1
            assert 0 <= one.y <= 1
        assert view.summary.endswith(".")


def test_what_matters_most_lies_on_top(full_document: Document) -> None:
    kinds = [one.kind for one in front_views(full_document)[0].spots]
    order = ["beaten", "front", "original", "chosen"]
    assert kinds == sorted(kinds, key=order.index)
    assert kinds[-1] == "chosen"


def test_the_chosen_one_is_named_on_every_canvas(full_document: Document) -> None:
    for view in front_views(full_document):
        one = spot(view, "int8-static-mse")
        assert one.wide is not None
        assert one.narrow is not None


def test_the_line_follows_what_nothing_beats(full_document: Document) -> None:
    line = front_views(full_document)[0].line
    assert line
    for before, after in itertools.pairwise(line):
        assert before[2:] == after[:2]
    xs = [point for x0, _, x1, _ in line for point in (x0, x1)]
    ys = [point for _, y0, _, y1 in line for point in (y0, y1)]
    assert xs == sorted(xs, reverse=True)
    assert ys == sorted(ys, reverse=True)


def test_ticks_say_ratios_and_amounts(full_document: Document) -> None:
    speed, size, _ = front_views(full_document)
    tick = next(one for one in speed.across_ticks if one.text == "2×")
    assert tick.amount == "0.372 ms"
    assert next(one for one in size.across_ticks if one.text == "4×").amount == "2.12 MB"
    assert sum(one.narrow for one in speed.across_ticks) <= 6
    assert all(one.text.removeprefix("−").replace(".", "").isdigit() for one in speed.up_ticks)


def test_without_quality_the_upright_axis_is_size(make_result: Any, make_candidate: Any) -> None:
    one = make_candidate("x", "quantize.float16", 0.5, None, 4_000_000)
    choice = Choice(name="x", met=True, reasons=())
    content = document(make_result(candidates=(one,), front=("x",), choice=choice, data=None))
    views = front_views(content)
    assert [view.key for view in views] == ["speed", "memory"]
    assert all(view.up_title == "times smaller than the original" for view in views)
    assert all(view.up.place(2.0) < view.up.place(1.0) for view in views)
    assert all(view.up_bands == () for view in views)


def test_nothing_to_draw_draws_nothing(make_result: Any) -> None:
    choice = Choice(name="original", met=True, reasons=())
    content = document(make_result(candidates=(), front=("original",), choice=choice))
    assert front_views(content) == []
