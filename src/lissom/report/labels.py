"""Where names go beside the marks of a picture, so that they do not lie on each other.

Each name is tried at the four corners of its mark, near and farther, in order of importance, and
left out (the readout still says it) where none is free. Sizes are estimates for the
picture's first state; zooming only makes more room.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["NARROW", "WIDE", "Canvas", "Label", "Mark", "place"]

LETTER_PX: Final = 6.7
LINE_PX: Final = 15.0
MARK_PX: Final = 9.0
GAP_PX: Final = 5.0
FAR_PX: Final = 15.0
SHORTEST: Final = 6
"""Letters of a name that are kept at least where it is shortened."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """The size of a picture in CSS pixels, and how long a name may be in it."""

    width: float
    height: float
    letters: int


WIDE: Final = Canvas(width=900.0, height=380.0, letters=34)
NARROW: Final = Canvas(width=290.0, height=300.0, letters=22)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A mark in the picture: its name and its place, both axes 0..1 from left and from the top."""

    label: str
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name that found room: its text, the end that touches the mark, and its offset in pixels.

    Attributes:
        text: the name, shortened if it is long.
        anchor: `start` or `end`, as SVG's `text-anchor`.
        dx: from the mark's middle to the anchor, to the right.
        dy: from the mark's middle to the baseline, downwards.
    """

    text: str
    anchor: str
    dx: float
    dy: float


def place(
    marks: Sequence[Mark],
    obstacles: Iterable[Box],
    canvas: Canvas = WIDE,
    *,
    bars: Iterable[Box] = (),
    needed: int = 0,
) -> list[Label | None]:
    """Answer a label for each mark, or None where it would overlap another or an obstacle.

    Args:
        marks: to be labelled, most important first.
        obstacles: boxes that must stay free (left, top, right, bottom), in shares of the canvas:
            marks without labels.
        canvas: the picture.
        bars: boxes that should stay free: the intervals' lines.
        needed: how many of the first marks may have their label on a bar, where nothing else is
            free.
    """
    taken = [_around(mark.x * canvas.width, mark.y * canvas.height) for mark in marks]
    taken += [_scaled(box, canvas) for box in obstacles]
    lines = [_scaled(box, canvas) for box in bars]
    found: list[Label | None] = []
    for number, mark in enumerate(marks):
        label, box = _try_places(mark, [*taken, *lines], canvas)
        if label is None and number < needed:
            label, box = _try_places(mark, taken, canvas)
        found.append(label)
        if box is not None:
            left, top, right, bottom = box
            taken.append((left - GAP_PX, top, right + GAP_PX, bottom))
    return found


def _try_places(mark: Mark, taken: list[Box], canvas: Canvas) -> tuple[Label | None, Box | None]:
    """The first place around a mark that is free, and the box it takes."""
    text = _short(mark.label, canvas.letters)
    wide = LETTER_PX * len(text)
    x, y = mark.x * canvas.width, mark.y * canvas.height
    for away in (0.0, FAR_PX, 2 * FAR_PX):
        for down in (-1, 1):
            for right in (1, -1):
                # corners only: above, below and beside run the bars of the intervals
                dx = right * (MARK_PX / 2 + GAP_PX)
                middle = down * (LINE_PX / 2 + GAP_PX + away)
                left = x + dx if right > 0 else x + dx - wide
                box = (left, y + middle - LINE_PX / 2, left + wide, y + middle + LINE_PX / 2)
                if _inside(box, canvas) and not any(_overlap(box, other) for other in taken):
                    anchor = "start" if right > 0 else "end"
                    return Label(text=text, anchor=anchor, dx=dx, dy=middle + 4.0), box
    return None, None


def _scaled(box: Box, canvas: Canvas) -> Box:
    """A box in shares of the canvas, in pixels, with a little air."""
    left, top, right, bottom = box
    return (
        left * canvas.width - 1, top * canvas.height - 1,
        right * canvas.width + 1, bottom * canvas.height + 1,
    )  # fmt: skip


def _short(text: str, letters: int) -> str:
    """A name of at most so many letters: its end says more than its middle."""
    if len(text) <= letters:
        return text
    head = max(SHORTEST, letters // 2)
    return f"{text[:head]}\u2026{text[len(text) - (letters - head - 1) :]}"


def _around(x: float, y: float) -> Box:
    """The box of a mark."""
    half = MARK_PX / 2
    return x - half, y - half, x + half, y + half


def _inside(box: Box, canvas: Canvas) -> bool:
    """Whether a box lies in the picture."""
    return box[0] >= 0 and box[1] >= 0 and box[2] <= canvas.width and box[3] <= canvas.height


def _overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share a point."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
