from hypothesis import given
from hypothesis import strategies as st

from lissom.report.labels import Mark, place

UNIT = st.floats(0, 1)


def test_a_lone_label_goes_where_there_is_room() -> None:
    assert place([Mark(label="model", x=0.5, y=0.5)], []) == ["top right"]
    assert place([Mark(label="model", x=1.0, y=0.0)], []) == ["bottom left"]


def test_the_more_important_label_wins_its_place() -> None:
    marks = [Mark(label="one", x=0.5, y=0.5), Mark(label="two", x=0.5, y=0.5)]
    assert place(marks, []) == ["top right", "bottom right"]


def test_labels_without_room_are_left_out() -> None:
    marks = [Mark(label="same", x=0.5, y=0.5) for _ in range(9)]
    assert [side is None for side in place(marks, [])] == [False] * 4 + [True] * 5


@given(st.lists(st.builds(Mark, label=st.text(max_size=20), x=UNIT, y=UNIT), max_size=8))
def test_every_mark_gets_an_answer(marks: list[Mark]) -> None:
    sides = place(marks, [Mark(label="", x=0.5, y=0.5)])
    assert len(sides) == len(marks)
    assert set(sides) <= {"top right", "bottom right", "top left", "bottom left", None}
