"""The picture of the front as plain data for plotly.js: traces and layout, one view per axis.

Colours are written as the page's CSS variables (`--accent`) and filled in by the page's script, so
that one figure serves dark, light and print. Names are data from strangers and plotly.js reads a
little markup in texts, so every text is escaped here.

Up and right is better in every view: the drop's axis runs downwards.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lissom.report import wording
from lissom.report.labels import Mark, place
from lissom.report.schema import Document, FrontEntry
from lissom.search.candidate import ORIGINAL

__all__ = ["View", "front_views"]

LEAST_SPAN: Final = 0.5
"""Points of drop that the axis spans at least, so that noise does not look like a cliff."""
FAR: Final = 4.0
"""Candidates beyond this many times the drop limit lie outside the first picture."""

Axis = Callable[[FrontEntry], float | None]
Span = Callable[[FrontEntry], list[float] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One picture.

    Attributes:
        key: short name, such as "speed".
        label: what to write on its button.
        summary: the picture in words, for those who cannot see it.
        outside: how many candidates lie outside the first picture.
        data: plotly.js traces.
        layout: plotly.js layout.
    """

    key: str
    label: str
    summary: str
    outside: int
    data: list[dict[str, Any]]
    layout: dict[str, Any]


def front_views(document: Document) -> list[View]:
    """Answer the pictures that this result has numbers for.

    With quality measured: speed, size and memory against the drop. Without: speed and memory
    against the size.
    """
    entries, original = [*document["front"], *document["others"]], document["original"]
    smaller = _fewer(original["size_bytes"], lambda one: one["size_bytes"])
    leaner = _fewer(original["memory_bytes"], lambda one: one["memory_bytes"])
    axes: list[tuple[str, str, str, Axis, Span]] = [
        ("speed", "Speed", "times as fast", lambda one: one["speedup"], _speed_interval),
        ("size", "Size", "times smaller", smaller, _no_interval),
        ("memory", "Memory", "times less memory", leaner, _no_interval),
    ]
    views = []
    for key, label, title, across, interval in axes:
        if document["quality"] is None and key == "size":
            continue
        up = smaller if document["quality"] is None else _drop
        placed = [one for one in entries if across(one) is not None and up(one) is not None]
        if any(one["name"] != ORIGINAL for one in placed):
            views.append(_view(document, placed, (key, label, title), (across, up, interval)))
    return views


def _view(
    document: Document,
    placed: Sequence[FrontEntry],
    words: tuple[str, str, str],
    axes: tuple[Axis, Axis, Span],
) -> View:
    """One picture of the entries that have both numbers."""
    key, label, title = words
    rated = document["quality"] is not None
    frame = _frame(document, placed, axes)
    front_names = {one["name"] for one in document["front"]}
    sides = _sides(document, placed, axes, frame)
    data = [_line(placed, axes, frame)]
    for kind in _MARKS:
        members = [one for one in placed if _kind(one, document, front_names) == kind]
        if members:
            data.append(_points(kind, members, axes, sides))
    high = max(frame.up)
    outside = sum(_height(axes, one) > high for one in placed) if rated else 0
    best = max(placed, key=lambda one: axes[0](one) or 0.0)
    against = "the drop in points" if rated else "how many times smaller"
    summary = (
        f"{wording.counted(len(placed), 'model')}, {title} against {against}. "
        f"Furthest right is {wording.visible(best['name'])} at {wording.times(axes[0](best))}."
    )
    return View(
        key=key,
        label=label,
        summary=summary,
        outside=outside,
        data=data,
        layout=_layout(document, title, frame),
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """The ends of both axes in the first picture: left and right, bottom and top."""

    across: tuple[float, float]
    up: tuple[float, float]

    def inside(self, x: float, y: float) -> bool:
        """Whether a point shows."""
        return min(self.up) <= y <= max(self.up) and self.across[0] <= x <= self.across[1]


def _height(axes: tuple[Axis, Axis, Span], one: FrontEntry) -> float:
    """The number on the upright axis as it is drawn: points for a drop."""
    return (100.0 if axes[1] is _drop else 1.0) * (axes[1](one) or 0.0)


def _frame(
    document: Document, placed: Sequence[FrontEntry], axes: tuple[Axis, Axis, Span]
) -> _Frame:
    """Choose what shows at first."""
    across = [axes[0](one) or 0.0 for one in placed] + [1.0]
    if axes[1] is _drop:
        low, high = _drop_range(document, placed)
        up, across = (high, low), [
            axes[0](one) or 0.0 for one in placed if _height(axes, one) <= high
        ] + [1.0]  # fmt: skip
    else:
        heights = [_height(axes, one) for one in placed] + [1.0]
        room = 0.12 * (max(heights) - min(heights)) or 0.1
        up = (min(heights) - room, max(heights) + room)
    room = 0.08 * (max(across) - min(across)) or 0.1
    return _Frame((min(across) - room, max(across) + room), up)


def _sides(
    document: Document,
    placed: Sequence[FrontEntry],
    axes: tuple[Axis, Axis, Span],
    frame: _Frame,
) -> dict[str, str]:
    """Where each entry's name goes; entries without room for it are left out."""

    def mark(one: FrontEntry) -> Mark:
        (left, right), (bottom, top) = frame.across, frame.up
        x, y = axes[0](one) or 0.0, _height(axes, one)
        return Mark(label=one["name"], x=(x - left) / (right - left), y=(y - top) / (bottom - top))

    first = {document["chosen"]: 0, ORIGINAL: 1}
    front = {one["name"] for one in document["front"]} | first.keys()
    named = [one for one in placed if one["name"] in front]
    named.sort(key=lambda one: first.get(one["name"], 2))
    rest = [one for one in placed if one["name"] not in front]
    sides = place([mark(one) for one in named], [mark(one) for one in rest])
    return {one["name"]: side for one, side in zip(named, sides, strict=True) if side}


def _kind(one: FrontEntry, document: Document, front_names: set[str]) -> str:
    """Which of the four marks an entry gets; the chosen one's wins."""
    if one["name"] == document["chosen"] and one["name"] != ORIGINAL:
        return "chosen"
    if one["name"] == ORIGINAL:
        return "original"
    return "front" if one["name"] in front_names else "beaten"


_MARKS: Final[dict[str, tuple[str, str, int, str, float]]] = {
    # legend, symbol, size, colour, width of the outline
    "beaten": ("measured, beaten by another", "circle-open", 9, "--muted", 1.5),
    "front": ("on the front", "circle", 11, "--accent", 0),
    "original": ("the original", "diamond", 13, "--ink", 0),
    "chosen": ("chosen", "star", 19, "--good", 0),
}


def _points(
    kind: str,
    members: Sequence[FrontEntry],
    axes: tuple[Axis, Axis, Span],
    sides: dict[str, str],
) -> dict[str, Any]:
    """A trace of marks with intervals."""
    legend, symbol, size, colour, width = _MARKS[kind]
    xs = [axes[0](one) or 0.0 for one in members]
    ys = [_height(axes, one) for one in members]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers+text",
        "name": legend,
        "x": xs,
        "y": ys,
        "text": [_escaped(one["name"]) if one["name"] in sides else "" for one in members],
        "textposition": [sides.get(one["name"], "top center") for one in members],
        "textfont": {"color": "--ink", "size": 12},
        "customdata": [one["name"] for one in members],
        "hovertext": [_hover(one) for one in members],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {
            "symbol": symbol,
            "size": size,
            "color": colour,
            "line": {"color": colour, "width": width},
        },
        "error_x": _errors(xs, [axes[2](one) for one in members], 1.0, colour),
    }
    if axes[1] is _drop:
        trace["error_y"] = _errors(ys, [one["drop_interval"] for one in members], 100.0, colour)
    return trace


def _errors(
    middles: Sequence[float], spans: Sequence[Sequence[float] | None], factor: float, colour: str
) -> dict[str, Any]:
    """Error bars from intervals; nothing where there is none."""
    ends = [
        (middle, middle) if span is None else (factor * span[0], factor * span[1])
        for middle, span in zip(middles, spans, strict=True)
    ]
    pairs = list(zip(middles, ends, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "arrayminus": [max(0.0, middle - low) for middle, (low, _) in pairs],
        "array": [max(0.0, high - middle) for middle, (_, high) in pairs],
        "color": colour,
        "thickness": 1.2,
        "width": 4,
        "visible": any(low != high for low, high in ends),
    }


def _line(
    placed: Sequence[FrontEntry], axes: tuple[Axis, Axis, Span], frame: _Frame
) -> dict[str, Any]:
    """The steps along the models that no other beats in the two numbers of this picture."""
    sign = -1 if axes[1] is _drop else 1
    points = sorted(((axes[0](one) or 0.0, _height(axes, one)) for one in placed), reverse=True)
    steps: list[tuple[float, float]] = []
    for x, y in points:
        if frame.inside(x, y) and (not steps or sign * y > sign * steps[-1][1]):
            steps.append((x, y))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [x for x, _ in reversed(steps)],
        "y": [y for _, y in reversed(steps)],
        "line": {"color": "--accent", "width": 1.5, "dash": "dot", "shape": "vh"},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _layout(document: Document, title: str, frame: _Frame) -> dict[str, Any]:
    """Axes, the limit's line and the shaded part beyond it."""
    grid = {"gridcolor": "--line", "zerolinecolor": "--line", "linecolor": "--line"}
    limit = document["limits"]["max_drop"]
    rated = document["quality"] is not None
    suffix = {**grid, "ticksuffix": wording.TIMES}
    across = {
        **suffix,
        "title": {"text": f"{title} (original = 1)"},
        "range": list(frame.across),
    }
    up = {
        **(grid if rated else suffix),
        "title": {"text": "drop, points (up is better)" if rated else "times smaller"},
        "range": list(frame.up),
    }
    shapes: list[dict[str, Any]] = [
        {"type": "line", "yref": "paper", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "layer": "below",
         "line": {"color": "--muted", "width": 1, "dash": "dot"}},
    ]  # fmt: skip
    notes: list[dict[str, Any]] = []
    if rated and limit is not None:
        top = 100 * limit
        shapes.append(
            {"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": top, "y1": 1e4,
             "layer": "below", "fillcolor": "--beyond", "line": {"width": 0}}
        )  # fmt: skip
        notes.append(
            {"xref": "paper", "x": 0, "xanchor": "left", "y": top, "yanchor": "top",
             "text": f"limit: {wording.drop_points(limit)}", "showarrow": False,
             "font": {"color": "--warn", "size": 12}}
        )  # fmt: skip
    return {
        "xaxis": across,
        "yaxis": up,
        "shapes": shapes,
        "annotations": notes,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "--ink", "size": 13},
        "hoverlabel": {"align": "left", "bgcolor": "--card", "bordercolor": "--line",
                       "font": {"color": "--ink"}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
        "hovermode": "closest",
        "dragmode": "zoom",
    }  # fmt: skip


def _drop_range(document: Document, placed: Sequence[FrontEntry]) -> tuple[float, float]:
    """Lowest and highest drop in points to show at first: far ones would flatten the rest."""
    limit = document["limits"]["max_drop"]
    cap = 100 * FAR * limit if limit else float("inf")
    near = [one for one in placed if 100 * (one["drop"] or 0.0) <= cap]
    ends = [100 * end for one in near for end in (one["drop_interval"] or [one["drop"] or 0.0])]
    ends += [0.0, 100 * limit * 1.15 if limit else 0.0]
    low, high = min(ends), min(max(ends), cap)
    room = max(LEAST_SPAN, high - low) * 0.14
    return low - room, high + room


def _hover(one: FrontEntry) -> str:
    """Every number of an entry, one a line."""
    memory = wording.size(one["memory_bytes"])
    rows = [
        f"<b>{_escaped(one['name'])}</b>",
        f"drop {wording.drop_points(one['drop'])}"
        + wording.bounds(wording.interval_points(one["drop_interval"])),
        f"speed {wording.times(one['speedup'])}"
        + wording.bounds(wording.interval_times(one["speedup_interval"])),
        f"latency {wording.milliseconds(one['latency_ms'])}, "
        f"90% under {wording.milliseconds(one['latency_p90_ms'])}",
        f"size {wording.size(one['size_bytes'])}, memory {memory}",
        f"MACs {wording.large(one['macs'])}, parameters {wording.large(one['params'])}",
    ]
    return "<br>".join(rows)


def _escaped(text: str) -> str:
    """A stranger's text for plotly.js: no markup, nothing invisible, not too long."""
    shown = wording.visible(text)
    return html.escape(shown if len(shown) <= 60 else f"{shown[:59]}\u2026")


def _drop(one: FrontEntry) -> float | None:
    """The drop of an entry, 0..1."""
    return one["drop"]


def _speed_interval(one: FrontEntry) -> list[float] | None:
    """The interval of an entry's speedup."""
    return one["speedup_interval"]


def _no_interval(one: FrontEntry) -> None:
    """No interval: sizes are exact, and memory is measured once."""
    del one


def _fewer(before: int | None, after: Callable[[FrontEntry], int | None]) -> Axis:
    """Axis: how many times less than the original's number."""

    def ratio(one: FrontEntry) -> float | None:
        now = after(one)
        return before / now if before and now else None

    return ratio
