"""report.html: one result as one self-contained page that works offline.

Everything in it that came from a model file or a recipe is data from strangers. The template
escapes every expression; invisible characters are made visible; the figure's data is JSON in which
no tag can close; and a content security policy allows exactly the two scripts of this page (by
their hashes) and no request at all, so that even markup that slipped through could not act.
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

from lissom.report import deploy, operators, sentences, wording
from lissom.report.document import document
from lissom.report.plot import View, front_views
from lissom.report.schema import Document, FrontEntry, StepEntry
from lissom.report.tiles import tiles

if TYPE_CHECKING:
    from lissom.search.result import Result

__all__ = ["page", "render"]

FOLDER: Final = Path(__file__).parent


def page(result: "Result") -> str:
    """Write the report of a result.

    Args:
        result: what a run found.

    Returns:
        An HTML document under 6 MB, plotly.js included; it asks the network for nothing.
    """
    return render(document(result))


def render(content: Document) -> str:
    """Write the report of a document, such as one read back by `document.from_json`."""
    views = front_views(content)
    script = _asset("page.js")
    library = _plotly() if views else Markup("")
    scripts = [text for text in (library, script) if text]
    html = _environment().get_template("page.html.j2").render(
        d=content,
        verdict=sentences.verdict(content),
        plain_verdict=sentences.sentence(sentences.verdict(content)),
        tiles=tiles(content),
        limits=sentences.limit_rows(content),
        chosen=sentences.chosen_entry(content),
        measured=[*content["front"], *content["others"]],
        quality=sentences.quality_sentences(content),
        operators=_operators(content),
        target=deploy.delivered_target(content),
        programs=deploy.programs(deploy.delivered_target(content), content["delivered"]),
        views=views,
        figure=_embedded({view.key: _figure(view) for view in views}),
        style=_asset("page.css"),
        plotly=library,
        script=script,
        policy=_policy(scripts),
    )  # fmt: skip
    # a name may hold half a surrogate pair, which no file can: the last net under `visible`
    return html.encode("utf-8", "replace").decode("utf-8")


def _figure(view: View) -> dict[str, Any]:
    """What the page's script needs of a view."""
    return {"data": view.data, "layout": view.layout, "summary": view.summary}


def _operators(content: Document) -> Mapping[str, Any] | None:
    """Rows and sentences of time by operator, if both models were profiled."""
    entry = sentences.chosen_entry(content)
    before = content["original"]["operators"]
    if not before:
        return None
    after = [] if entry is None else entry["operators"]
    rows = operators.operator_rows(before, after)
    return {
        "rows": rows,
        "both": bool(after),
        "most": max([max(row.before_ms, row.after_ms) for row in rows], default=0.0) or 1.0,
        "sentences": operators.costs_more(rows) if after else [],
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
    made.globals.update(counted=wording.counted, coverage=_coverage, theory_row=_theory_row)
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


def _theory_row(content: Document, entry: FrontEntry) -> Mapping[str, float | None]:
    """Original over candidate for what is counted, beside what was measured."""
    original = content["original"]

    def less(before: int | None, after: int | None) -> float | None:
        return before / after if before and after else None

    return {
        "macs": less(original["macs"], entry["macs"]),
        "params": less(original["params"], entry["params"]),
        "size": less(original["size_bytes"], entry["size_bytes"]),
        "predicted": entry["predicted_speedup"],
        "measured": entry["speedup"],
    }


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


@cache
def _plotly() -> Markup:
    """The whole of plotly.js, once."""
    # plotly takes a second to import, and only a report needs it
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())  # the library's own code


def _policy(scripts: list[Markup]) -> str:
    """A content security policy: these scripts, inline styles, our own pictures, no more."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
