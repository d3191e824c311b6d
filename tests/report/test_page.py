# the signs that people read: minus, times, dash
import base64
import copy
import hashlib
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lissom.report import page as page_module
from lissom.report.document import document
from lissom.report.page import page, render
from lissom.report.schema import Document
from lissom.search.result import Result

ASSETS = Path(page_module.__file__).parent
ATTACKS = [
    "</script><script>document.title='owned'</script>",
    "<!--<script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "' onmouseover='x",
    "{{ 7*7 }}{% raw %}",
    "]]></style><svg onload=1>",
    "javascript:alert(1)",
    "\u202egnp\u200b\x00\x1b[31m",
    "\ud800",
    "--accent",
]
OUTLINE = """\
h1 int8-static-mse is 3.34 times faster and 3.92 times smaller than the original, and is expected \
to lose 0.06 points of top1 (95% interval of the drop: −0.06 to 0.18).
h2 Speed
h2 Size
h2 Memory
h2 Drop
h2 The front
h2 All candidates
h2 How sure are these numbers?
h3 What the quality number means
h3 Limits
h3 Check it again
h2 What was promised, what the machine gave
h3 Step by step: int8-static-mse
h3 All candidates
h2 Where the time goes
h2 What was left alone
h2 How to run it
h2 The recipe
h2 What each one did
h2 Versions and hashes
"""


class Reader(HTMLParser):
    """Collects what the checks need: elements, attributes, text of headings and of the page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.headings: list[str] = []
        self.text: list[str] = []
        self.inside: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.inside.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(f"{tag} ")

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if any(re.fullmatch("h[1-6]", tag) for tag in self.inside):
            self.headings[-1] += data
        if not {"script", "style"} & set(self.inside):
            self.text.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


def test_the_outline(full_document: Document) -> None:
    assert "".join(f"{one}\n" for one in Reader(render(full_document)).headings) == OUTLINE


def test_it_is_one_small_file(make_result: Any) -> None:
    assert len(page(make_result()).encode()) < 250_000


def test_it_asks_the_network_for_nothing(any_result: Result) -> None:
    read = Reader(render(document(any_result)))
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(read.elements)
    assert all(value.startswith("#") for value in read.values("href"))
    assert not read.values("src")
    policy = next(v for v in read.values("content") if "default-src" in v)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'sha256-" in policy
    assert "url(" not in (ASSETS / "page.css").read_text()


def test_references_within_the_page_hold(any_result: Result) -> None:
    read = Reader(render(document(any_result)))
    ids = read.values("id")
    assert len(ids) == len(set(ids))
    wanted = [value[1:] for value in read.values("href")]
    wanted += read.values("aria-labelledby") + read.values("aria-describedby")
    assert set(wanted) <= set(ids)
    assert not [name for _, name, _ in read.attributes if name.startswith("on")]


def test_the_numbers_and_the_reasons_are_there(full_document: Document) -> None:
    text = " ".join(" ".join(Reader(render(full_document)).text).split())
    for words in (
        "int8-static-mse is the best on speed",
        "the runtime refused the model: no kernel for MatMulNBits with bits=8",
        "the time budget of 10m was used up",
        "no integer kernel in this runtime",
        "has no fast kernel for dynamically quantized convolution",
        "options.intra_op_num_threads = 1",
        "method: quantize.static",
        "0a" * 32,
        "onnxruntime 1.32.0",
        "6,000 samples without labels",
        "model.onnx is the whole model",
        "lissom verify",
    ):
        assert words in text, words


def test_everything_that_explains_is_there(rich_document: Document) -> None:
    text = " ".join(" ".join(Reader(render(rich_document)).text).split())
    for words in (
        "With 95% confidence the expected is at most 0.82 points.",
        "Drop, expected without labels: held",
        "expected drop certified",
        "Arithmetic promised 4.34",
        "optimize.fusion",
        "6 QLinearConv reach 96 GFLOP/s.",
        "there are too few channels or rows to fill the processor's vector units",
        "differences of speed up to 0.6% are noise",
    ):
        assert words in text, words


def test_two_files_that_belong_together_are_named(full_document: Document) -> None:
    full_document["front"][0]["data_file"] = "model.onnx.data"
    text = " ".join(" ".join(Reader(render(full_document)).text).split())
    assert "Two files belong together: model.onnx.data holds the weights" in text
    assert "is the whole model" not in text


def test_the_picture_shows_without_scripts(full_document: Document) -> None:
    html = re.sub(r"<script.*?</script>", "", render(full_document), flags=re.DOTALL)
    read = Reader(html)
    spots = [value for value in read.values("class") if value.startswith("spot ")]
    measured = len(full_document["front"]) + len(full_document["others"])
    assert len([one for one in spots if one.split()[1] in {"front", "beaten"}]) >= 3 * (
        measured - 2
    )
    assert read.values("data-view") == ["speed", "size", "memory"]
    assert all(name.partition(": ")[2] for name in read.values("aria-label") if ": drop" in name)


def test_where_models_ran_is_said_if_it_differs(full_document: Document) -> None:
    def places(content: Document) -> int:
        return render(content).count('<span class="quiet">openvino, 1 thread</span>')

    assert places(full_document) == 0
    full_document["front"][1]["target"] = {
        **full_document["target"], "runtime": "openvino", "version": "2026.4.1",
    }  # fmt: skip
    assert places(full_document) == 1


def test_every_outcome_makes_a_page(any_result: Result) -> None:
    read = Reader(render(document(any_result)))
    assert read.headings[0].startswith("h1 ")
    words = " ".join(read.text).replace("session.run(None,", "").split()
    assert not {"None", "nan", "inf", "True", "False"} & set(words)


def hostile(full: Document, one: str, two: str) -> Document:
    """The document with a stranger's words wherever a stranger's words can stand."""
    content = copy.deepcopy(full)
    content["original"].update(file_name=one, producer=two, history=[one], notes=[two])
    content.update(chosen=one, notes=[two], reasons=[one])
    entry: Any = content["front"][0]
    entry.update(name=one, title=two, remarks=[one], recipe=two, path=one, steps=[two])
    entry["step_records"][0].update(
        summary=one, skips=[{"target": one, "reason": two}], edits={two: 1}
    )
    entry["target"].update(options={one: two}, version=two)
    entry["operators"][0]["op_type"] = one
    for proof in entry["certificates"]:
        proof.update(sentence=one, assumption=two)
    for rung in entry.get("ladder", []):
        rung.update(step=one)
    for gap in entry.get("gaps", []):
        gap.update(operator=two, words=one)
    content["failed"][0].update(name=two, reason=one, title=one)
    content["not_tried"][0].update(name=one, reason=two)
    content["environment"].update(cpu=one, system=two, cpu_features=[one], runtimes={one: two})
    return content


WORDS = st.sampled_from(ATTACKS) | st.text(min_size=1, max_size=40)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(one=WORDS, two=WORDS)
def test_strangers_words_make_no_element(rich_document: Document, one: str, two: str) -> None:
    plain = Reader(render(hostile(rich_document, "x", "y")))
    html = render(hostile(rich_document, one, two))
    html.encode("utf-8")
    read = Reader(html)
    # a name beside a mark is left out where it is too long: the only thing that words decide
    assert {**read.elements, "text": 0} == {**plain.elements, "text": 0}
    assert Counter(name for tag, name, _ in read.attributes if tag != "text") == Counter(
        name for tag, name, _ in plain.attributes if tag != "text"
    )
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", html)


def test_the_scripts_are_the_ones_that_the_policy_names(full_document: Document) -> None:
    html = render(hostile(full_document, ATTACKS[0], ATTACKS[1]))
    policy = next(v for v in Reader(html).values("content") if "default-src" in v)
    bodies = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(b.encode()).digest()).decode() for b in bodies]
    assert len(bodies) == 1
    assert re.findall(r"sha256-([^']+)", policy) == digests


def test_the_figure_data_is_json_without_tags(full_document: Document) -> None:
    html = render(hostile(full_document, ATTACKS[0], ATTACKS[1]))
    data = re.search(r'id="figure">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert "<" not in data[1]
    assert json.loads(data[1])["speed"]["x"]["unit"] == "ms"


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_have_contrast_in_light_and_dark() -> None:
    blocks = re.findall(r":root[^{]*\{([^}]*)\}", (ASSETS / "page.css").read_text())
    assert len(blocks) == 3  # light, dark, print
    for block in blocks:
        colours = dict(re.findall(r"(--[a-z]+): (#[0-9a-f]{6})", block))
        for text in ("--ink", "--muted", "--accent", "--good", "--warn", "--bad"):
            for ground in ("--bg", "--card", "--tint"):
                low, high = sorted((luminance(colours[text]), luminance(colours[ground])))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground, block)
