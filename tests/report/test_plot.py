import json
from typing import Any

import pytest

from lissom.report.document import document
from lissom.report.plot import front_views
from lissom.report.schema import Document
from lissom.search.result import Choice, Result


def trace(view: Any, name: str) -> Any:
    return next(one for one in view.data if one.get("name") == name)


def test_three_views_where_quality_is_known(full_document: Document) -> None:
    views = front_views(full_document)
    assert [view.key for view in views] == ["speed", "size", "memory"]
    chosen = trace(views[0], "chosen")
    assert chosen["customdata"] == ["int8-static-mse"]
    assert chosen["x"] == [0.744 / 0.223]
    assert chosen["y"] == pytest.approx([0.06])
    assert chosen["error_y"]["array"] == pytest.approx([0.12])
    assert trace(views[1], "chosen")["x"] == pytest.approx([8_495_657 / 2_167_004])


def test_up_is_better_and_the_limit_is_drawn(full_document: Document) -> None:
    layout = front_views(full_document)[0].layout
    bottom, top = layout["yaxis"]["range"]
    assert bottom > 1.0 > 0.0 > top
    assert any(shape.get("y0") == 1.0 for shape in layout["shapes"])


def test_a_far_candidate_does_not_flatten_the_rest(full_document: Document) -> None:
    view = front_views(full_document)[0]
    assert view.outside == 1
    assert view.layout["yaxis"]["range"][0] < 9.4


def test_every_measured_model_is_in_the_picture(full_document: Document) -> None:
    names = [
        name for one in front_views(full_document)[0].data for name in one.get("customdata", ())
    ]
    entries = [*full_document["front"], *full_document["others"]]
    assert sorted(names) == sorted(one["name"] for one in entries)


def test_the_line_follows_what_nothing_beats(full_document: Document) -> None:
    line = front_views(full_document)[0].data[0]
    assert line["mode"] == "lines"
    assert line["x"] == sorted(line["x"])
    assert line["y"] == sorted(line["y"])


def test_without_quality_the_upright_axis_is_size(make_result: Any, make_candidate: Any) -> None:
    one = make_candidate("x", "quantize.float16", 0.5, None, 4_000_000)
    choice = Choice(name="x", met=True, reasons=())
    content = document(make_result(candidates=(one,), front=("x",), choice=choice, data=None))
    views = front_views(content)
    assert [view.key for view in views] == ["speed", "memory"]
    assert all(view.layout["yaxis"]["title"]["text"] == "times smaller" for view in views)


def test_nothing_to_draw_draws_nothing(make_result: Any) -> None:
    choice = Choice(name="original", met=True, reasons=())
    content = document(make_result(candidates=(), front=("original",), choice=choice))
    assert front_views(content) == []


def test_every_view_is_json_and_words(any_result: Result) -> None:
    for view in front_views(document(any_result)):
        json.dumps([view.data, view.layout], allow_nan=False)
        assert view.summary.endswith(".")


def test_names_are_no_markup(full_document: Document) -> None:
    full_document["front"][0]["name"] = full_document["chosen"] = "<a href='javascript:x'>n"
    chosen = trace(front_views(full_document)[0], "chosen")
    assert "<a" not in chosen["hovertext"][0]
    assert "<a" not in chosen["text"][0]
