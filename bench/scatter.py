"""Make the picture and the table of estimators in `docs/explanation` from the raw results.

    python -m bench.scatter [--check]

Reads `bench/results/expected_drop.json`; no number in the page is typed by hand.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "expected_drop.json"
DOCS = Path(__file__).parents[1] / "docs" / "explanation"
PICTURE, PAGE = DOCS / "expected-drop.svg", DOCS / "quality-without-labels.md"
START, END = "<!-- estimators: made by bench/scatter.py -->", "<!-- end of estimators -->"

SMALL = 0.03  # candidates that lose less are counted
WIDER, SHARE = 0.005, 0.3  # half a point, or 30% of the drop

ESTIMATORS = {
    "lissom": "Lissom's estimate",
    "counted": "belief, counted where answers differ",
    "counted_raw": "the same, quality not known",
    "difference_tempered": "difference of confidences, tempered",
    "difference": "difference of confidences",
    "thresholded": "average thresholded confidence",
    "average_confidence": "average confidence",
    "disagreement": "disagreement",
}
POOLS = {"few": "few inputs", "test": "the test inputs"}
COLOURS = {
    "fmnist_resnet": "#1b6ca8",
    "fmnist_vgg": "#2a9d5c",
    "minilm": "#c0563b",
    "ocr_rec": "#8a5fb0",
}
TICKS = (-1, -0.5, 0, 0.5, 1, 2, 3, 5, 10)
LEAST, MOST = -1.5, 14.0  # points of the axes
SIZE, LEFT, TOP, PLOT = (560, 500), 62, 20, 420


def main() -> None:
    """Write both, or with --check only compare them."""
    parser = argparse.ArgumentParser(prog="python -m bench.scatter", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if they are out of date")
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    wanted = {PICTURE: picture(found), PAGE: page(PAGE.read_text(encoding="utf-8"), found)}
    if parser.parse_args().check:
        sys.exit(any(path.read_text(encoding="utf-8") != text for path, text in wanted.items()))
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


def page(text: str, found: dict[str, Any]) -> str:
    """The page with the table between its two marks made anew."""
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    return f"{before}{START}\n\n{table(found)}\n{END}{after}"


# --- table ---
def inside(row: dict[str, Any], estimate: float) -> bool:
    """Whether an estimate lies in the true drop's interval, widened by half a point or 30%."""
    wider = max(WIDER, SHARE * abs(row["drop"]))
    low, high = row["drop_interval"]
    return bool(low - wider <= estimate <= high + wider)


def table(found: dict[str, Any]) -> str:
    """Each estimator's error and how often it is near enough, and our interval's coverage."""
    rows = [row for each in found["tasks"].values() for row in each["candidates"]]
    small = [row for row in rows if row["drop"] < SMALL]
    lines = [
        f"| {len(small)} candidates that lose less than 3 points | "
        + " | ".join(f"error, {name} | near, {name}" for name in POOLS.values())
        + " |",
        "| --- |" + " ---: |" * (2 * len(POOLS)),
    ]
    for key, name in ESTIMATORS.items():
        cells = [name]
        for pool in POOLS:
            pairs = [(row, row[pool][key]) for row in small if row[pool][key] is not None]
            if not pairs:
                cells += ["", ""]
                continue
            error = math.sqrt(_mean((said - row["drop"]) ** 2 for row, said in pairs))
            near = sum(inside(row, said) for row, said in pairs)
            cells += [f"{100 * error:.2f}", f"{near} of {len(pairs)}"]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "Error: root of the mean squared difference from the true drop, in points. Near: inside",
        "the true drop's paired 95% interval, widened by half a point or 30% of the drop.",
        "",
        "| task | inputs, few | candidates | rank correlation, few | rank correlation, test inputs "
        "| true drop inside Lissom's interval, few | inside, test inputs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, each in found["tasks"].items():
        count = len(each["candidates"])
        ranks = [f"{correlation(each['candidates'], pool):.2f}" for pool in POOLS]
        held = [f"{covered(each['candidates'], pool)} of {count}" for pool in POOLS]
        inputs = each["inputs"]["few"]
        lines.append(f"| {name} | {inputs} | {count} | " + " | ".join([*ranks, *held]) + " |")
    return "\n".join([*lines, *_few_labels(found)]) + "\n"


def _few_labels(found: dict[str, Any]) -> list[str]:
    """What few labels add, by their number."""
    rows = [
        f"| {name} | {one['labels']} of {one['inputs']} | {100 * one['corrected_error']:.2f} | "
        + ("" if one["labels_alone_error"] is None else f"{100 * one['labels_alone_error']:.2f}")
        + f" | {100 * one['held']:.0f}% |"
        for name, each in found["tasks"].items()
        for one in each.get("few_labels", ())
    ]
    if not rows:
        return []
    return [
        "",
        "With few labels and no known quality, drawings of the labelled test inputs:",
        "",
        "| task | labels | error, corrected by them | error, labels alone | interval held |",
        "| --- | ---: | ---: | ---: | ---: |",
        *rows,
    ]


def covered(rows: list[dict[str, Any]], pool: str) -> int:
    """How many candidates' true drops lie in the interval that was stated for them."""
    return sum(row[pool]["interval"][0] <= row["drop"] <= row[pool]["interval"][1] for row in rows)


def correlation(rows: list[dict[str, Any]], pool: str) -> float:
    """Spearman's rank correlation of the estimate with the true drop."""
    from scipy.stats import spearmanr

    said = [row[pool]["lissom"] for row in rows]
    return float(spearmanr([row["drop"] for row in rows], said).statistic)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


# --- picture ---
def place(points: float) -> float:
    """Where a drop in points lies on an axis, 0 to 1: by its root, so that small ones spread."""

    def root(value: float) -> float:
        return math.copysign(math.sqrt(abs(value)), value)

    low, high = root(LEAST), root(MOST)
    return min(1.0, max(0.0, (root(points) - low) / (high - low)))


def across(points: float) -> float:
    """The x of a drop."""
    return LEFT + PLOT * place(points)


def down(points: float) -> float:
    """The y of a drop."""
    return TOP + PLOT * (1 - place(points))


def picture(found: dict[str, Any]) -> str:
    """Expected drop over true drop, with both intervals, as an SVG that fits light and dark."""
    width, height = SIZE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="12">',
        '<title id="t">Expected drop and true drop</title>',
        f'<desc id="d">{escape(_told(found))}</desc>',
        "<style>svg{color:#222;background:#fff}"
        "@media(prefers-color-scheme:dark){svg{color:#ddd;background:#161616}}"
        ".g{stroke:currentColor;stroke-opacity:.15}.i{stroke-opacity:.3}</style>",
    ]
    for tick in TICKS:
        x, y = across(tick), down(tick)
        parts += [
            f'<path class="g" d="M{x:.1f} {TOP}v{PLOT}M{LEFT} {y:.1f}h{PLOT}"/>',
            f'<text x="{x:.1f}" y="{TOP + PLOT + 16}" text-anchor="middle" '
            f'fill="currentColor">{tick:g}</text>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" '
            f'fill="currentColor">{tick:g}</text>',
        ]
    parts += [
        f'<path d="M{across(LEAST):.1f} {down(LEAST):.1f}L{across(MOST):.1f} {down(MOST):.1f}" '
        'stroke="currentColor" stroke-dasharray="4 4"/>',
        f'<text x="{LEFT + PLOT / 2}" y="{TOP + PLOT + 38}" text-anchor="middle" '
        'fill="currentColor">true drop on labels, points (lines: 95% intervals)</text>',
        f'<text transform="translate(16 {TOP + PLOT / 2}) rotate(-90)" text-anchor="middle" '
        'fill="currentColor">expected drop without labels, points</text>',
    ]
    for number, (name, each) in enumerate(found["tasks"].items()):
        parts += _marks(name, each["candidates"])
        y = TOP + 16 + 18 * number
        parts.append(
            f'<circle cx="{LEFT + 14}" cy="{y - 4}" r="4" fill="{COLOURS[name]}"/>'
            f'<text x="{LEFT + 24}" y="{y}" fill="currentColor">{name}, '
            f"{each['inputs']['few']} inputs</text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _marks(name: str, rows: list[dict[str, Any]]) -> list[str]:
    colour, parts = COLOURS[name], []
    for row in rows:
        if 100 * row["drop"] > MOST:
            continue
        said = row["few"]
        x, y = across(100 * row["drop"]), down(100 * said["lissom"])
        left, right = (across(100 * end) for end in row["drop_interval"])
        low, high = (down(100 * end) for end in said["interval"])
        parts.append(
            f'<g stroke="{colour}"><path class="i" '
            f'd="M{left:.1f} {y:.1f}H{right:.1f}M{x:.1f} {low:.1f}V{high:.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}">'
            f"<title>{escape(name)}, {escape(row['candidate'])}: true {100 * row['drop']:.2f}, "
            f"expected {100 * said['lissom']:.2f}</title></circle></g>"
        )
    return parts


def _told(found: dict[str, Any]) -> str:
    rows = [row for each in found["tasks"].values() for row in each["candidates"]]
    small = [row for row in rows if row["drop"] < SMALL]
    near = sum(inside(row, row["few"]["lissom"]) for row in small)
    return (
        f"A scatter of {len(rows)} candidates of {len(found['tasks'])} tasks along the diagonal. "
        f"Of the {len(small)} that truly lose less than 3 points, {near} estimates lie inside the "
        "true drop's interval, widened by half a point or 30 percent."
    )


if __name__ == "__main__":
    main()
