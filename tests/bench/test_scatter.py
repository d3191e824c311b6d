"""The picture and the table of estimators are made from raw results alone."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from bench import scatter


def said(value):
    return {
        **dict.fromkeys(scatter.ESTIMATORS, value),
        "counted_raw": None,
        "interval": [value - 0.01, value + 0.01],
    }


def row(name, drop, value):
    return {
        "candidate": name,
        "drop": drop,
        "drop_interval": [drop - 0.002, drop + 0.002],
        "few": said(value),
        "test": said(drop),
    }


@pytest.fixture
def found():
    rows = [row("a<b", 0.001, 0.0), row("near", 0.02, 0.025), row("far", 0.2, 0.3)]
    task = {"original_quality": 0.9, "tested": 9, "inputs": {"few": 300, "test": 9}}
    few = [{"labels": 0, "inputs": 500, "corrected_error": 0.01, "labels_alone_error": None}]
    few.append({**few[0], "labels": 20, "labels_alone_error": 0.02})
    few = [{**one, "held": 0.95, "drawings": 10} for one in few]
    return {"tasks": {"minilm": {**task, "candidates": rows, "few_labels": few}}}


def test_near_is_half_a_point_or_a_third_beyond_the_interval():
    assert scatter.inside(row("x", 0.01, 0), 0.017)
    assert not scatter.inside(row("x", 0.01, 0), 0.0171)
    assert scatter.inside(row("x", 0.02, 0), 0.0279)
    assert not scatter.inside(row("x", 0.02, 0), 0.0281)


def test_the_table_counts_small_drops_and_all_ranks(found):
    text = scatter.table(found)
    assert "| 2 candidates that lose less than 3 points |" in text
    assert "| Lissom's estimate | 0.36 | 2 of 2 | 0.00 | 2 of 2 |" in text
    assert "| minilm | 300 | 3 | 1.00 | 1.00 | 2 of 3 | 3 of 3 |" in text
    assert "| minilm | 0 of 500 | 1.00 |  | 95% |" in text
    assert "| minilm | 20 of 500 | 1.00 | 2.00 | 95% |" in text


def test_the_page_is_kept_but_for_the_table(found):
    page = f"before\n{scatter.START}\nstale\n{scatter.END}\nafter\n"
    made = scatter.page(page, found)
    assert made.startswith("before\n")
    assert made.endswith(f"{scatter.END}\nafter\n")
    assert "stale" not in made
    assert scatter.page(made, found) == made


def test_the_picture_is_sound_and_escaped(found):
    root = ElementTree.fromstring(scatter.picture(found))
    dots = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "minilm, a<b: true 0.10, expected 0.00" in dots
    # What lies beyond the axes is left out.
    assert len(dots) == 3
    assert scatter.across(0) < scatter.across(1) < scatter.across(3)
    assert scatter.down(0) > scatter.down(1)


@pytest.mark.skipif(not scatter.RESULT.exists(), reason="no results are recorded yet")
def test_what_is_published_is_up_to_date():
    published = json.loads(scatter.RESULT.read_text(encoding="utf-8"))
    assert scatter.PICTURE.read_text(encoding="utf-8") == scatter.picture(published)
    page = scatter.PAGE.read_text(encoding="utf-8")
    assert scatter.page(page, published) == page
