"""Where names go beside the marks of a picture, so that they do not lie on each other.

plotly.js writes a label where it is told and lets labels overlap. Here each is tried at the four
corners of its mark, in order of importance, and left out (the hover still says it) where none is
free. Sizes are estimates for the picture's first state; zooming only makes more room.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Mark", "place"]

WIDTH_PX: Final = 900.0
HEIGHT_PX: Final = 350.0
LETTER_PX: Final = 7.2
LINE_PX: Final = 15.0
MARK_PX: Final = 8.0

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A mark in the picture: its label and its place, both axes 0..1 from left and from the top."""

    label: str
    x: float
    y: float


def place(marks: Sequence[Mark], obstacles: Sequence[Mark]) -> list[str | None]:
    """Answer plotly.js's `textposition` for each mark, or None where the label would overlap.

    Args:
        marks: to be labelled, most important first.
        obstacles: marks without labels that should stay free.
    """
    taken = [_box(mark, MARK_PX / 2, MARK_PX / 2, 0, 0) for mark in (*marks, *obstacles)]
    found: list[str | None] = []
    for mark in marks:
        wide, high = LETTER_PX * len(mark.label) / 2, LINE_PX / 2
        right, down = wide + MARK_PX / 2, high + MARK_PX / 2
        # corners only: above, below and beside run the bars of the intervals
        corners = {
            "top right": (right, -down),
            "bottom right": (right, down),
            "top left": (-right, -down),
            "bottom left": (-right, down),
        }
        for side, offset in corners.items():
            box = _box(mark, wide, high, *offset)
            if _inside(box) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                found.append(side)
                break
        else:
            found.append(None)
    return found


def _box(mark: Mark, wide: float, high: float, right: float, down: float) -> Box:
    """A rectangle around a point that lies off the mark's middle, in pixels."""
    x, y = mark.x * WIDTH_PX + right, mark.y * HEIGHT_PX + down
    return x - wide, y - high, x + wide, y + high


def _inside(box: Box) -> bool:
    """Whether a rectangle lies in the picture."""
    return box[0] >= 0 and box[1] >= 0 and box[2] <= WIDTH_PX and box[3] <= HEIGHT_PX


def _overlap(one: Box, other: Box) -> bool:
    """Whether two rectangles share a point."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
