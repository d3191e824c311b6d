"""The picture of the front as plain places: a view for each thing that quality is weighed against.

The page draws it as SVG in shares of the axes, so it fits a phone, a screen and paper, follows dark
and light, and shows without any script. Numbers are not rounded before they are placed.

Up and right is better in every view: the drop's axis runs downwards.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lissom.report import wording
from lissom.report.axes import Axis, ticks
from lissom.report.labels import NARROW, WIDE, Canvas, Label, Mark, place
from lissom.report.readings import Reading, amount, readings, words
from lissom.report.schema import Document, FrontEntry
from lissom.search.candidate import ORIGINAL

__all__ = ["Band", "Segment", "Spot", "Tick", "View", "front_views"]

LEAST_SPAN: Final = 0.5
"""Points of drop that the axis spans at least, so that noise does not look like a cliff."""
FAR: Final = 4.0
"""Candidates beyond this many times the drop limit lie outside the first picture."""
ROOM: Final = 0.08
MOST_TICKS: Final = 9
MOST_TICKS_NARROW: Final = 5

Kind = Literal["beaten", "front", "original", "chosen"]
Segment = tuple[float, float, float, float]
"""A line from (x, y) to (x, y), in shares of the whole axes, from left and from the top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A model in the picture.

    Attributes:
        name: of the model.
        kind: which mark it gets.
        x: share of the whole axis, from left.
        y: share of the whole axis, from the top.
        bars: its 95% intervals.
        words: every number of it, one a line.
        wide: its name beside the mark on a screen; None where there is no room.
        narrow: the same on a phone.
    """

    name: str
    kind: Kind
    x: float
    y: float
    bars: tuple[Segment, ...]
    words: tuple[str, ...]
    wide: Label | None = None
    narrow: Label | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A round number on an axis.

    Attributes:
        at: share of the whole axis.
        text: the number.
        amount: the same as an amount, such as "0.58 ms"; empty if there is none.
        wide: shown on a screen.
        narrow: shown on a phone.
    """

    at: float
    text: str
    amount: str = ""
    wide: bool = True
    narrow: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stretch of an axis that is shaded: beyond a limit, or inside the noise."""

    first: float
    last: float
    kind: Literal["beyond", "noise"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One picture.

    Attributes:
        key: short name, such as "speed".
        label: what to write on its button.
        summary: the picture in words, for those who cannot see it.
        title: what lies on the level axis.
        up_title: what lies on the upright axis.
        outside: how many models lie outside the first picture.
        across: the level axis.
        up: the upright axis, from the top.
        across_ticks: its round numbers.
        up_ticks: its round numbers.
        across_bands: stretches of it that are shaded.
        up_bands: stretches of it that are shaded.
        line: along the models that no other beats in the two numbers of this picture.
        spots: the models; what matters most comes last, and so lies on top.
        base: the original's amount on the level axis, to write ticks with when zoomed.
        unit: of `base`: `ms`, `bytes`, or empty.
    """

    key: str
    label: str
    summary: str
    title: str
    up_title: str
    outside: int
    across: Axis
    up: Axis
    across_ticks: tuple[Tick, ...]
    up_ticks: tuple[Tick, ...]
    across_bands: tuple[Band, ...]
    up_bands: tuple[Band, ...]
    line: tuple[Segment, ...]
    spots: tuple[Spot, ...]
    base: float | None
    unit: str


def front_views(document: Document) -> list[View]:
    """Answer the pictures that this result has numbers for.

    With quality measured: latency, size and memory against the drop. Without: latency and memory
    against the size.
    """
    entries = [*document["front"], *document["others"]]
    views = []
    for reading in readings(document):
        placed = [
            one for one in entries
            if reading.across(one) is not None and reading.up(one) is not None
        ]  # fmt: skip
        if any(one["name"] != ORIGINAL for one in placed):
            views.append(_view(document, placed, reading))
    return views


def _view(document: Document, placed: Sequence[FrontEntry], reading: Reading) -> View:
    """One picture of the entries that have both numbers."""
    across, up = _frame(document, placed, reading)
    spots = _spots(document, placed, reading, (across, up))
    inside = [
        across.inside(x) and up.inside(y) for x, y in (reading.point(one) for one in placed)
    ]  # fmt: skip
    best = max(placed, key=lambda one: reading.across(one) or 0.0)
    against = "the drop in points" if reading.rated else "how many times smaller"
    summary = (
        f"{wording.counted(len(placed), 'model')}: {reading.title}, against {against}. "
        f"Furthest right is {wording.visible(best['name'])} at "
        f"{wording.times(reading.across(best))}."
    )
    return View(
        key=reading.key,
        label=reading.label,
        summary=summary,
        title=reading.title,
        up_title="drop in points" if reading.rated else "times smaller than the original",
        outside=inside.count(False),
        across=across,
        up=up,
        across_ticks=_ticks(across, lambda value: amount(reading.base, value, reading.unit)),
        up_ticks=_up_ticks(up, reading),
        across_bands=tuple(_across_bands(document, reading, across)),
        up_bands=tuple(_up_bands(document, reading, up)),
        line=_line(placed, reading, (across, up)),
        spots=spots,
        base=reading.base,
        unit=reading.unit,
    )


def _frame(document: Document, placed: Sequence[FrontEntry], reading: Reading) -> tuple[Axis, Axis]:
    """Both axes: what there is, and what shows at first (far drops would flatten the rest)."""
    limit = document["limits"]["max_drop"] if reading.rated else None
    cap = 100 * FAR * limit if limit else float("inf")
    near = [one for one in placed if not reading.rated or reading.point(one)[1] <= cap]
    edges = [0.0, 115 * limit if limit else 0.0] if reading.rated else [1.0]
    ups, acrosses = [], []
    for members in (near, placed):
        xs = [1.0] + [end for one in members for end in reading.reach(one)[0]]
        ys = edges + [end for one in members for end in reading.reach(one)[1]]
        top = max(ys) if members is placed else min(max(ys), cap)
        acrosses.append(_roomy(min(xs), max(xs), 0.2))
        ups.append(_roomy(min(ys), top, LEAST_SPAN if reading.rated else 0.2))
    window, whole = acrosses[0], _union(*acrosses)
    up_window, up_whole = ups[0], _union(*ups)
    if not reading.rated:
        up_window, up_whole = up_window[::-1], up_whole[::-1]
    return Axis(whole=whole, window=window), Axis(whole=up_whole, window=up_window)


def _roomy(low: float, high: float, least: float) -> tuple[float, float]:
    """The two ends with room beyond them for marks and names."""
    room = ROOM * max(high - low, least)
    return low - 1.5 * room, high + 1.5 * room


def _union(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The smallest stretch that holds both."""
    return min(one[0], other[0]), max(one[1], other[1])


def _spots(
    document: Document,
    placed: Sequence[FrontEntry],
    reading: Reading,
    frame: tuple[Axis, Axis],
) -> tuple[Spot, ...]:
    """The marks, what matters most last, with their names where there is room."""
    across, up = frame
    front_names = {one["name"] for one in document["front"]}
    wide, narrow = (
        _names(document, placed, reading, frame, canvas=canvas) for canvas in (WIDE, NARROW)
    )
    spots = []
    for one in placed:
        x, y = reading.point(one)
        spots.append(
            Spot(
                name=one["name"],
                kind=_kind(one, document, front_names),
                x=across.place(x),
                y=up.place(y),
                bars=_bars(one, reading, frame),
                words=words(one),
                wide=wide.get(one["name"]),
                narrow=narrow.get(one["name"]),
            )
        )
    order: tuple[Kind, ...] = ("beaten", "front", "original", "chosen")
    return tuple(sorted(spots, key=lambda spot: (order.index(spot.kind), spot.x)))


def _bars(one: FrontEntry, reading: Reading, frame: tuple[Axis, Axis]) -> tuple[Segment, ...]:
    """The intervals of an entry as lines through its mark."""
    across, up = frame
    (x, y), (xs, ys) = reading.point(one), reading.reach(one)
    left, right, top, bottom = (
        across.place(xs[0]), across.place(xs[1]), up.place(ys[0]), up.place(ys[1])
    )  # fmt: skip
    level = (left, up.place(y), right, up.place(y))
    upright = (across.place(x), top, across.place(x), bottom)
    return tuple(
        bar for bar, ends in ((level, xs), (upright, ys))
        if ends[0] != ends[1] and one["name"] != ORIGINAL
    )  # fmt: skip


def _names(
    document: Document,
    placed: Sequence[FrontEntry],
    reading: Reading,
    frame: tuple[Axis, Axis],
    *,
    canvas: Canvas,
) -> dict[str, Label]:
    """Where each name goes; entries without room for it are left out."""
    across, up = frame

    def shown(one: FrontEntry) -> Mark:
        x, y = reading.point(one)
        return Mark(label=one["name"], x=across.shown(x), y=up.shown(y))

    first = {document["chosen"]: 0, ORIGINAL: 1}
    members = {one["name"] for one in placed}
    front = {one["name"] for one in document["front"]} | first.keys()
    named = [one for one in placed if one["name"] in front]
    named.sort(key=lambda one: first.get(one["name"], 2))
    obstacles, bars = [], []
    wide, high = 4.5 / canvas.width, 4.5 / canvas.height
    for one in placed:
        mark, (xs, ys) = shown(one), reading.reach(one)
        obstacles.append((mark.x - wide, mark.y - high, mark.x + wide, mark.y + high))
        (x0, x1), (y0, y1) = sorted(map(across.shown, xs)), sorted(map(up.shown, ys))
        bars += [(x0, mark.y, x1, mark.y), (mark.x, y0, mark.x, y1)]
    obstacles += [
        (0.0, up.shown(end), 100 / canvas.width, up.shown(end) + 22 / canvas.height)
        for end in _limit(document, reading)
    ]
    marks = [shown(one) for one in named]
    labels = place(marks, obstacles, canvas, bars=bars, needed=len(first.keys() & members))
    pairs = zip(named, labels, strict=True)
    return {one["name"]: label for one, label in pairs if label is not None}


def _kind(one: FrontEntry, document: Document, front_names: set[str]) -> Kind:
    """Which of the four marks an entry gets; the chosen one's wins."""
    if one["name"] == ORIGINAL:
        return "original"
    if one["name"] == document["chosen"]:
        return "chosen"
    return "front" if one["name"] in front_names else "beaten"


def _line(
    placed: Sequence[FrontEntry], reading: Reading, frame: tuple[Axis, Axis]
) -> tuple[Segment, ...]:
    """The steps along the models that no other beats in the two numbers of this picture."""
    across, up = frame
    corners: list[tuple[float, float]] = []
    for x, y in sorted((reading.point(one) for one in placed), reverse=True):
        at = (across.place(x), up.place(y))
        if not corners or at[1] < corners[-1][1]:
            corners.append(at)
    segments: list[Segment] = []
    for (x0, y0), (x1, y1) in itertools.pairwise(corners):
        segments += [(x0, y0, x1, y0), (x1, y0, x1, y1)]
    return tuple(segments)


def _ticks(axis: Axis, amount: Callable[[float], str]) -> tuple[Tick, ...]:
    """Round ratios of an axis: many for a screen, few for a phone."""
    many = ticks(axis.window, MOST_TICKS)
    few = ticks(axis.window, MOST_TICKS_NARROW)
    return tuple(
        Tick(
            at=axis.place(value),
            text=f"{value:g}{wording.TIMES}",
            amount=amount(value),
            wide=value in many,
            narrow=value in few,
        )
        for value in sorted({*many, *few})
        if value > 0
    )


def _up_ticks(up: Axis, reading: Reading) -> tuple[Tick, ...]:
    """Round numbers of the upright axis: points, or ratios."""
    if not reading.rated:
        return _ticks(up, lambda value: amount(reading.up_base, value, "bytes"))
    return tuple(
        Tick(at=up.place(value), text=f"{value:g}".replace("-", wording.MINUS))
        for value in ticks(up.window, MOST_TICKS_NARROW + 1)
    )


def _across_bands(document: Document, reading: Reading, across: Axis) -> Iterator[Band]:
    """What lies beyond the limit of this view, and what the noise covers."""
    first, last = across.whole
    if reading.limit is not None and reading.limit > first:
        end = across.place(min(reading.limit, last))
        text = f"limit {amount(reading.base, reading.limit, reading.unit)}"
        yield Band(first=0.0, last=end, kind="beyond", text=text)
    noise = document.get("noise")
    if reading.key == "speed" and noise is not None:
        low, high = across.place(1 - noise["floor"]), across.place(1 + noise["floor"])
        yield Band(first=max(0.0, low), last=min(1.0, high), kind="noise", text="noise")


def _up_bands(document: Document, reading: Reading, up: Axis) -> Iterator[Band]:
    """What lies beyond the limit of the drop."""
    for points in _limit(document, reading):
        text = f"limit {wording.drop_points(points / 100)}"
        yield Band(first=max(0.0, up.place(points)), last=1.0, kind="beyond", text=text)


def _limit(document: Document, reading: Reading) -> Iterator[float]:
    """The limit of the drop in points, where the upright axis is the drop and there is a limit."""
    limit = document["limits"]["max_drop"]
    if reading.rated and limit is not None:
        yield 100 * limit
