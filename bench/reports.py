"""Make the sample reports in `docs/reports` from the folders of finished runs.

python -m bench.reports NAME=FOLDER ...

Each FOLDER is the OUT of a run; its `result.json` becomes `docs/reports/NAME.html`, drawn by the
Lissom that runs this. The list of them all is written beside them; no number in it is typed by
hand.
"""

import argparse
from pathlib import Path

from lissom.report import sentences, wording
from lissom.report.deploy import target_words
from lissom.report.document import from_json
from lissom.report.page import render
from lissom.report.schema import Document

REPORTS = Path(__file__).parents[1] / "docs" / "reports"

_HEAD = """# Sample reports

Made by `python -m bench.reports` from runs of the published tasks ([benchmarks](../benchmarks.md)).
A report is one file: download it and open it in a browser, offline. What its parts mean:
[read the report](../how-to/read-the-report.md).

| report | chosen | faster | smaller | drop, points (95% interval) | runs on |
| --- | --- | --- | --- | --- | --- |
"""
_PICTURES = """
![A report's first page: the verdict, four numbers and the front](report-light.png)

It follows the reader's dark mode, fits a phone, and prints:

![The same in dark colours](report-dark.png)
![The same on a phone](report-phone.png)
"""


def main() -> None:
    """Write the reports and their list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER")
    documents = {}
    for run in parser.parse_args().runs:
        name, _, folder = run.partition("=")
        documents[name] = from_json((Path(folder) / "result.json").read_bytes())
    write(documents, REPORTS)


def write(documents: dict[str, Document], folder: Path) -> None:
    """Write one page for each document, and the list."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (folder / f"{name}.html").write_text(render(document), encoding="utf-8")
    rows = "".join(f"{row(name, document)}\n" for name, document in documents.items())
    (folder / "README.md").write_text(_HEAD + rows + _PICTURES, encoding="utf-8")


def row(name: str, document: Document) -> str:
    """A line of the list."""
    entry = sentences.chosen_entry(document)
    link = f"[{name}]({name}.html)"
    if entry is None:
        return f"| {link} | the original | | | | {target_words(document['target'])} |"
    before, after = document["original"]["size_bytes"], entry["size_bytes"]
    speed = wording.times(entry["speedup"])
    drop = wording.drop_points(entry["drop"], unit=False)
    return (
        f"| {link} | {entry['name']} "
        f"| {speed}{wording.bounds(wording.interval_times(entry['speedup_interval']))} "
        f"| {wording.times(before / after if after else None)} "
        f"| {drop}{wording.bounds(wording.interval_points(entry['drop_interval']))} "
        f"| {target_words(entry['target'])} |"
    )


if __name__ == "__main__":
    main()
