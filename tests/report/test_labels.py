from hypothesis import given
from hypothesis import strategies as st

from lissom.report.labels import NARROW, WIDE, Label, Mark, place

UNIT = st.floats(0, 1)


def corner(label: Label | None) -> tuple[str, bool] | None:
    """Which end touches the mark, and whether the name stands above it."""
    return None if label is None else (label.anchor, label.dy < 0)


def test_a_lone_label_goes_where_there_is_room() -> None:
    assert corner(place([Mark(label="model", x=0.5, y=0.5)], [])[0]) == ("start", True)
    assert corner(place([Mark(label="model", x=1.0, y=0.0)], [])[0]) == ("end", False)


def test_the_more_important_label_wins_its_place() -> None:
    marks = [Mark(label="one", x=0.5, y=0.5), Mark(label="two", x=0.5, y=0.5)]
    assert [corner(one) for one in place(marks, [])] == [("start", True), ("end", True)]


def test_labels_without_room_are_left_out() -> None:
    marks = [Mark(label="same", x=0.5, y=0.5) for _ in range(20)]
    found = place(marks, [])
    assert found[0] is not None
    assert found[-1] is None


def test_only_what_is_needed_lies_on_a_bar() -> None:
    marks = [Mark(label="one", x=0.5, y=0.5)]
    bars = [(0.0, 0.3 + 0.01 * n, 1.0, 0.3 + 0.01 * n) for n in range(40)]
    assert place(marks, [], bars=bars) == [None]
    assert place(marks, [], bars=bars, needed=1)[0] is not None


def test_a_long_name_keeps_its_ends() -> None:
    label = place([Mark(label="static-" + "x" * 60 + "-bf16", x=0.0, y=0.5)], [], NARROW)[0]
    assert label is not None
    assert len(label.text) == NARROW.letters
    assert label.text.startswith("static-")
    assert label.text.endswith("-bf16")


@given(st.lists(st.builds(Mark, label=st.text(max_size=20), x=UNIT, y=UNIT), max_size=8))
def test_every_mark_gets_an_answer_and_none_overlap(marks: list[Mark]) -> None:
    labels = place(marks, [(0.4, 0.4, 0.6, 0.6)])
    assert len(labels) == len(marks)
    boxes = []
    for mark, label in zip(marks, labels, strict=True):
        if label is not None:
            wide = 6.7 * len(label.text)
            left = mark.x * WIDE.width + label.dx - (wide if label.anchor == "end" else 0)
            middle = mark.y * WIDE.height + label.dy - 4.0
            boxes.append((left, middle - 7, left + wide, middle + 7))
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            assert (
                one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
            )
