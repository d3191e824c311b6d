# the signs that people read: minus, times
from pathlib import Path

from bench import reports
from lissom.report.document import document
from tests.report.conftest import result, returned_original


def test_a_row_says_what_came_out() -> None:
    assert reports.row("vgg", document(result())) == (
        "| [vgg](vgg.html) | int8-static-mse | 3.34× (3.27 to 3.40) | 3.92× "
        "| 0.06 (−0.06 to 0.18) | onnxruntime, 1 thread |"
    )
    assert "| the original |" in reports.row("vgg", document(returned_original()))


def test_each_run_gets_its_page_and_a_line(tmp_path: Path) -> None:
    reports.write({"one": document(result()), "two": document(returned_original())}, tmp_path)
    listed = (tmp_path / "README.md").read_text(encoding="utf-8")
    for name in ("one", "two"):
        assert f"[{name}]({name}.html)" in listed
        assert "<h1>" in (tmp_path / f"{name}.html").read_text(encoding="utf-8")


def test_the_published_reports_are_small_and_listed() -> None:
    pages = sorted(reports.REPORTS.glob("*.html"))
    assert pages
    listed = (reports.REPORTS / "README.md").read_text(encoding="utf-8")
    for page in pages:
        assert page.stat().st_size < 1_000_000
        assert f"({page.name})" in listed
