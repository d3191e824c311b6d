"""The report in a real browser: drawn, read, steered by keys, printed, and compared with pictures.

The pictures beside this file are parts of the page as small grey images: coarse enough to be the
same with other fonts, fine enough to show a part that is gone, black, or not drawn. After a change
that is meant: run with LISSOM_REWRITE=1, and look at the page itself.
"""

import base64
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lissom.report.document import document
from lissom.report.page import render
from tests.browser import CHROMIUM, Browser, Tab
from tests.report.conftest import result, returned_original, rich, without_data
from tests.report.test_page import ATTACKS, Reader, hostile

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the page is not drawn"),
]

KINDS: dict[str, dict[str, Any]] = {
    "light": {"width": 1200},
    "dark": {"width": 1200, "scheme": "dark"},
    "phone": {"width": 390},
    "print": {"width": 760, "media": "print"},
}
PARTS = (
    "header", ".tiles", ".plot[data-view=speed] .area", "#candidates ~ .scroll", ".proofs",
    ".ladder", ".bars", "#program-1",
)  # fmt: skip
GRID = (48, 24)
MEAN, MOST = 8.0, 60.0
"""Of 255: how much a part may differ from its picture on average, and in one cell."""
MEAN_DRAWN, MOST_DRAWN = 1.0, 12.0
"""The same for what has no letters: the picture of the front, whose texts are hidden."""
TALLER = 1.5
"""How many times taller or lower a part may be with other letters."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    tabs: list[Tab] = []

    def show(content: Any = None, **media: Any) -> Tab:
        path = tmp_path / f"report{len(tabs)}.html"
        path.write_text(render(rich() if content is None else content), encoding="utf-8")
        tabs.append(browser.tab(path.as_uri(), **media))
        return tabs[-1]

    yield show
    for tab in tabs:
        tab.close()


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("words", [("x", "y"), (ATTACKS[0], ATTACKS[2]), (ATTACKS[7], ATTACKS[9])])
def test_it_draws_without_complaint(opened: Any, width: int, words: tuple[str, str]) -> None:
    tab = opened(hostile(rich(), *words), width=width)
    assert tab.complaints == []
    assert tab.ask("document.documentElement.dataset.drawn") == "speed size memory"
    assert tab.ask("document.title") != "owned"
    assert tab.ask("document.querySelectorAll('script[src], img, iframe').length") == 0
    for key in ("in", "out", "all", "home"):
        tab.ask(f"document.querySelector('[data-zoom={key}]').click()")
    assert tab.complaints == []


@pytest.mark.parametrize("width", [1200, 768, 360])
@pytest.mark.parametrize("kind", ["full", "original", "missed", "bare"])
def test_every_outcome_fits_every_screen(opened: Any, width: int, kind: str) -> None:
    made = {
        "full": rich,
        "original": lambda: document(returned_original()),
        "missed": lambda: document(returned_original(met=False)),
        "bare": lambda: document(without_data()),
    }[kind]()
    tab = opened(made, width=width)
    assert tab.complaints == []
    assert tab.ask("document.documentElement.scrollWidth") <= width


def test_without_scripts_the_picture_is_there_and_can_be_switched(opened: Any) -> None:
    tab = opened(scripts=False)
    drawn = tab.part(".plot[data-view=speed] .area")
    assert np.asarray(drawn).std() > 5
    assert tab.box(".plot[data-view=size]")[2] == 0
    tab.click("input[value=size]")
    assert tab.box(".plot[data-view=size]")[2] > 500
    assert tab.box(".plot[data-view=speed]")[2] == 0
    assert tab.box("[data-zoom=in]")[2] == 0  # nothing that would do nothing


def focused(tab: Tab) -> str:
    return str(
        tab.ask(
            "(e => e.dataset.name ? 'mark ' + e.dataset.name : e.value || e.dataset.zoom || "
            "e.getAttribute('href') || e.tagName)(document.activeElement)"
        )
    )


def test_all_of_it_can_be_done_with_keys(opened: Any) -> None:
    tab = opened()
    tab.press("Tab")
    assert focused(tab) == "#main"
    seen = []
    for _ in range(40):
        tab.press("Tab")
        seen.append(focused(tab))
        if seen[-1].startswith("mark"):
            break
    assert {"speed", "in", "out", "all", "home"} <= set(seen)
    assert seen[-1] == "mark int8-static-mse"  # the one furthest right; one stop for all
    assert "3.34×" in tab.ask("document.querySelector('.tip').innerText")
    tab.press("ArrowLeft")
    assert focused(tab) == "mark int8-static-minmax"
    tab.press("Home")
    slowest = focused(tab)
    assert slowest == "mark int8-dynamic"
    tab.press("Escape")
    assert tab.ask("document.querySelector('.tip')") is None
    tab.press("Enter")
    assert tab.wait("document.querySelector('details:target')?.open")
    opened_one = tab.ask("document.querySelector('details:target summary').innerText")
    assert opened_one.startswith("int8-dynamic")
    tab.ask("document.querySelector('input[value=speed]').focus()")
    tab.press("ArrowRight")
    assert focused(tab) == "size"
    assert tab.box(".plot[data-view=size]")[2] > 500


def test_a_mark_outside_comes_into_view_when_it_is_reached(opened: Any) -> None:
    tab = opened()
    far = "document.querySelector('[data-view=speed] [data-name=int4-all]')"
    inside = (
        f"(([a, b]) => a.top < b.bottom)([{far}.querySelector('.mark'), "
        "document.querySelector('[data-view=speed] .area')].map(e => e.getBoundingClientRect()))"
    )
    assert tab.ask(inside) is False
    tab.ask(f"{far}.focus()")
    assert tab.ask(inside) is True


def ticks(tab: Tab) -> list[str]:
    text = tab.ask("document.querySelector('[data-view=speed] .scale.across').textContent")
    return str(text).split()


def test_zooming_in_and_back(opened: Any) -> None:
    tab = opened(height=1500)
    first = ticks(tab)
    left, top, width, height = tab.box(".plot[data-view=speed] .area")
    tab.drag((left + 0.7 * width, top + 5), (left + 0.98 * width, top + 0.6 * height))
    zoomed = ticks(tab)
    assert zoomed != first
    named = "document.querySelectorAll('[data-view=speed] .placed').length"
    assert tab.ask(named) >= 1
    tab.click("[data-zoom=in]")
    assert ticks(tab) != zoomed
    tab.click("[data-zoom=home]")
    assert tab.ask(named) == 0
    layer = "document.querySelector('[data-view=speed] [data-layer=xy]')"
    wide = tab.ask(f"parseFloat({layer}.getAttribute('height'))")
    tab.click("[data-zoom=all]")
    assert tab.ask(f"parseFloat({layer}.getAttribute('height'))") < wide


def test_pointing_at_a_mark_or_at_its_row(opened: Any) -> None:
    tab = opened(height=1500)
    left, top, width, height = tab.box("[data-view=speed] .spot.chosen .mark")
    tab.move(left + width / 2, top + height / 2)
    assert tab.ask("document.querySelector('.tip strong').textContent") == "int8-static-mse"
    tab.move(5, 5)
    assert tab.ask("document.querySelector('.tip')") is None
    tab.ask("document.querySelector('a[data-mark=int8-static-minmax]').focus()")
    assert tab.ask("document.querySelectorAll('[data-view=speed] .spot.lit').length") == 1


def test_the_picture_can_be_saved(opened: Any) -> None:
    tab = opened()
    saved = tab.ask(
        "new Promise(done => { HTMLAnchorElement.prototype.click = function () "
        "{ done([this.download, this.href]); }; document.querySelector('[data-save]').click(); })"
    )
    assert saved[0] == "front-speed.png"
    image = Image.open(io.BytesIO(base64.b64decode(saved[1].partition(",")[2])))
    assert image.width > 1500
    assert np.asarray(image.convert("L")).std() > 5
    assert tab.complaints == []


# what a text stands on: the nearest ground that is not transparent
CONTRAST = """
(() => {
  const parts = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => { const [r, g, b] = parts(c).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const bad = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) {
    const owner = node.parentElement, style = getComputedStyle(owner);
    if (!node.data.trim() || owner.closest('script, style, [data-layer]')) continue;
    const box = owner.getBoundingClientRect();
    if (!box.width || style.visibility === 'hidden' || style.display === 'none') continue;
    let ground = owner;
    while (ground && parts(getComputedStyle(ground).backgroundColor)[3] === 0)
      ground = ground.parentElement;
    const under = ground ? getComputedStyle(ground).backgroundColor : 'rgb(255, 255, 255)';
    const [low, high] = [light(style.color), light(under)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) bad.push(node.data.trim().slice(0, 40));
  }
  return bad;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(opened: Any, scheme: str) -> None:
    tab = opened(scheme=scheme)
    tab.ask("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert tab.ask(CONTRAST) == []


def test_everything_that_acts_has_a_name(opened: Any) -> None:
    tab = opened()
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    acting = [
        node
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in {"link", "button", "radio", "region"}
    ]
    assert len(acting) > 30
    assert [one for one in acting if not one.get("name", {}).get("value", "").strip()] == []
    names = [one["name"]["value"] for one in acting]
    assert any(name.startswith("int8-static-mse: drop 0.06 pt") for name in names)
    assert sum(node["role"]["value"] == "heading" for node in nodes if not node["ignored"]) > 10


def test_paper_gets_all_of_it_and_the_screen_is_left_as_it_was(opened: Any) -> None:
    tab = opened()
    tab.ask(
        "addEventListener('beforeprint', () => { window.printed = "
        "document.querySelectorAll('details.model:not([open])').length; })"
    )
    assert tab.pdf().startswith(b"%PDF")
    assert tab.ask("window.printed") == 0
    assert tab.ask("document.querySelectorAll('details.model[open]').length") == 0
    tab.media(media="print")
    for view in ("speed", "size", "memory"):
        assert tab.box(f".plot[data-view={view}]")[3] > 200
    assert tab.box(".zoom")[2] == 0


def parts(tab: Tab) -> tuple[Image.Image, list[float]]:
    """The parts of the page one below another, each as large as the grid, and their shapes."""
    tab.style(".plot text { visibility: hidden }")
    made, shapes = Image.new("L", (GRID[0], GRID[1] * len(PARTS))), []
    for number, selector in enumerate(PARTS):
        piece = tab.part(selector)
        shapes.append(piece.height / piece.width)
        made.paste(piece.convert("L").resize(GRID, Image.Resampling.BOX), (0, GRID[1] * number))
    return made, shapes


def stored_parts(kind: str) -> tuple[Image.Image, list[float]]:
    """What `parts` answered when the page looked as it should."""
    with Image.open(Path(__file__).with_name(f"report-{kind}.png")) as image:
        image.load()
        return image, [float(one) for one in image.info["shapes"].split()]


def differing(kind: str, tab: Tab) -> list[str]:
    """Which parts differ from their picture by more than another font would make them."""
    (made, shapes), (stored, wanted) = parts(tab), stored_parts(kind)
    found = []
    for number, selector in enumerate(PARTS):
        box = (0, GRID[1] * number, GRID[0], GRID[1] * (number + 1))
        one, other = (np.asarray(image.crop(box), dtype=float) for image in (made, stored))
        drawn = selector.startswith(".plot")
        # letters differ; what a few cells hold together does not
        gap = np.abs(one - other) if drawn else np.abs(smooth(one) - smooth(other))
        mean, most = (MEAN_DRAWN, MOST_DRAWN) if drawn else (MEAN, MOST)
        ratio = shapes[number] / wanted[number]
        if gap.mean() > mean or gap.max() > most:
            found.append(f"{selector}: {gap.mean():.1f} on average, {gap.max():.0f} at most")
        if not 1 / TALLER < ratio < TALLER:
            found.append(f"{selector}: {ratio:.2f} times as tall")
    return found


def smooth(grey: np.ndarray) -> np.ndarray:
    """Means of 3 x 3 cells."""
    padded = np.pad(grey, 1, mode="edge")
    rows, columns = grey.shape
    return sum(padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)) / 9


@pytest.mark.parametrize("kind", KINDS)
def test_it_looks_as_it_did(opened: Any, kind: str) -> None:
    tab = opened(**KINDS[kind])
    if os.environ.get("LISSOM_REWRITE"):  # after a change that is meant
        made, shapes = parts(tab)
        info = PngInfo()
        info.add_text("shapes", " ".join(f"{one:.4f}" for one in shapes))
        made.save(Path(__file__).with_name(f"report-{kind}.png"), optimize=True, pnginfo=info)
    assert differing(kind, tab) == []


@pytest.mark.parametrize("font", ["DejaVu Serif", "DejaVu Sans"])
@pytest.mark.parametrize("kind", ["light", "phone"])
def test_another_font_is_no_difference(opened: Any, kind: str, font: str) -> None:
    tab = opened(**KINDS[kind])
    tab.style(f"body {{ font-family: '{font}' !important }}")
    assert differing(kind, tab) == []


@pytest.mark.parametrize(
    ("rule", "part"),
    [(".spot { display: none }", ".plot"),
     (".spot.chosen .mark { display: none }", ".plot"),
     ("line.bar { display: none }", ".plot"),
     (".beyond { display: none }", ".plot"),
     (".track .fill { display: none }", ".ladder"),
     (".tiles { grid-template-columns: 1fr }", ".tiles"),
     ("header { background: #000 }", "header"),
     (".proofs p { display: none }", ".proofs")],
)  # fmt: skip
def test_what_is_broken_is_a_difference(opened: Any, rule: str, part: str) -> None:
    tab = opened(**KINDS["light"])
    tab.style(rule)
    found = differing("light", tab)
    assert any(one.startswith(part) for one in found), found


def test_the_page_of_a_run_reads_the_same_as_its_source(opened: Any) -> None:
    tab = opened(document(result()))
    assert tab.ask("document.querySelector('h1').innerText") == next(
        heading[3:] for heading in Reader(render(document(result()))).headings
    )
