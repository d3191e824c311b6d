"""report.html: one result as one self-contained page that works offline.

Everything in it that came from a model file or a recipe is data from strangers. The template
escapes every expression; invisible characters are made visible; the figure's data is JSON in which
no tag can close; and a content security policy allows exactly the one script of this page (by its
hash) and no request at all, so that even markup that slipped through could not act.

The picture is SVG in the page: it shows without the script, which only adds the readout, zooming,
keys and saving.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
from markupsafe import Markup

from lissom.report import charts, deploy, operators, sentences, skips, trust, wording
from lissom.report.document import document
from lissom.report.plot import View, front_views
from lissom.report.schema import Document, StepEntry
from lissom.report.tiles import tiles

if TYPE_CHECKING:
    from lissom.search.result import Result

__all__ = ["page", "render"]

FOLDER: Final = Path(__file__).parent
_MARKS: Final = (
    ("chosen", "chosen"),
    ("front", "on the front"),
    ("original", "the original"),
    ("beaten", "beaten by another"),
)


def page(result: "Result") -> str:
    """Write the report of a result.

    Args:
        result: what a run found.

    Returns:
        An HTML document, a fraction of a megabyte; it asks the network for nothing.
    """
    return render(document(result))


def render(content: Document) -> str:
    """Write the report of a document, such as one read back by `document.from_json`."""
    views = front_views(content)
    html = _environment().get_template("page.html.j2").render(
        d=content,
        verdict=sentences.verdict(content),
        plain_verdict=sentences.sentence(sentences.verdict(content)),
        tiles=tiles(content),
        limits=sentences.limit_rows(content),
        **_models(content, views),
        **_reasons(content),
        **_use(content),
        style=_asset("page.css"),
        script=_asset("page.js"),
        policy=_policy(_asset("page.js")),
    )  # fmt: skip
    # a name may hold half a surrogate pair, which no file can: the last net under `visible`
    return html.encode("utf-8", "replace").decode("utf-8")


def _models(content: Document, views: list[View]) -> Mapping[str, Any]:
    """The picture and the table: every model that was measured."""
    measured = [*content["front"], *content["others"]]
    kinds = {spot.kind for view in views for spot in view.spots}
    return {
        "measured": measured,
        "chosen": sentences.chosen_entry(content),
        "views": views,
        "marks": [(kind, words) for kind, words in _MARKS if kind in kinds],
        "anchors": {
            one["name"]: f"candidate-{number}" for number, one in enumerate(measured, start=1)
        },
        "several_targets": any(one["target"] != content["target"] for one in measured),
        "figure": _embedded({view.key: _figure(view) for view in views}),
    }


def _figure(view: View) -> Mapping[str, Any]:
    """What zooming needs of a view: both axes, and how to write their numbers."""
    rated = view.up_title == "drop in points"
    return {
        "x": {"whole": view.across.whole, "window": view.across.window, "times": True,
              "base": view.base, "unit": view.unit},
        "y": {"whole": view.up.whole, "window": view.up.window, "times": not rated,
              "base": None, "unit": ""},
    }  # fmt: skip


def _reasons(content: Document) -> Mapping[str, Any]:
    """How sure it is, what was promised, where the time goes, what was left alone."""
    entry = sentences.chosen_entry(content)
    left = [skip for step in (entry["step_records"] if entry else ()) for skip in step["skips"]]
    return {
        "certificates": trust.certificate_rows(entry),
        "quality": sentences.quality_sentences(content),
        "noise": list(trust.noise_lines(content)),
        "check": trust.check_command(content),
        "ladder": None if entry is None else charts.ladder_chart(content, entry),
        "candidates": charts.candidate_chart(content),
        "operators": _operators(content),
        "reasons": operators.REASONS,
        "left": {"groups": skips.grouped(left), "total": len(left)},
    }


def _use(content: Document) -> Mapping[str, Any]:
    """How to run what was delivered."""
    target = deploy.delivered_target(content)
    return {
        "target": target,
        "data_file": deploy.data_file(content),
        "programs": deploy.programs(target, content["delivered"]),
    }


def _operators(content: Document) -> Mapping[str, Any] | None:
    """Rows and sentences of time by operator, if both models were profiled."""
    entry = sentences.chosen_entry(content)
    before = content["original"]["operators"]
    after = [] if entry is None else entry["operators"]
    gaps = [] if entry is None else operators.gap_rows(entry)
    if not before and not gaps:
        return None
    rows = gaps or operators.operator_rows(before, after)
    named = {row.reason for row in rows}
    return {
        "rows": rows,
        "both": bool(after or gaps),
        "promised": any(row.promised_ms is not None for row in rows),
        "most": max([max(row.before_ms, row.after_ms) for row in rows], default=0.0) or 1.0,
        "sentences": operators.costs_more(rows) if after and not gaps else [],
        "reasons": [pair for pair in operators.REASONS.items() if pair[0] in named],
    }


@cache
def _environment() -> jinja2.Environment:
    """The template engine, escaping by default and refusing names that do not exist."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        ms=wording.milliseconds,
        times=wording.times,
        size=wording.size,
        share=wording.share,
        large=wording.large,
        points=wording.drop_points,
        interval_points=wording.interval_points,
        interval_times=wording.interval_times,
    )
    made.globals.update(outcome=sentences.outcome, theory=sentences.theory_sentences)
    made.globals.update(counted=wording.counted, coverage=_coverage, on=deploy.target_words)
    made.globals.update(certified=trust.certified_words, grouped=skips.grouped)
    return made


def _shown(value: object) -> object:
    """Make invisible characters visible in whatever the template writes."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return wording.visible(value)
    return value


def _coverage(step: StepEntry) -> str:
    """What a step changed and left alone, in a few words."""
    edits = [f"{wording.counted(count, kind)}" for kind, count in step["edits"].items()]
    done = wording.listed(edits) if edits else "no edits"
    return f"{done}; {wording.counted(len(step['skips']), 'skip')}"


def _embedded(data: Mapping[str, Any]) -> Markup:
    """JSON for a script element: `<`, `>` and `&` escaped so that no tag can begin or end in it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # escaped on the line above


@cache
def _asset(name: str) -> Markup:
    """A file of ours beside this one, put into the page as it is."""
    return Markup((FOLDER / name).read_text(encoding="utf-8"))  # ours


def _policy(script: Markup) -> str:
    """A content security policy: this script, inline styles, our own pictures, no more."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
