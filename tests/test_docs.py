"""The documentation: links lead somewhere, generated pages are up to date, examples run."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from lissom.cli.app import app
from lissom.demo.files import paths
from lissom.measure import calibration, observe
from lissom.measure.split import FRACTIONS
from lissom.recipe import Recipe
from tests.house import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*.md")])
MAX_README_LINES, MAX_CONTRIBUTING_LINES = 150, 50
# Pages whose Python is one whole program; the others' blocks build on what the reader has.
RUNNING = (
    "README.md",
    "docs/tutorials/first-compression.md",
    "docs/how-to/give-samples.md",
    "docs/how-to/choose-limits.md",
    "docs/how-to/add-a-method.md",
    "docs/reference/recipe.md",
    "docs/explanation/channel-groups.md",
    "docs/explanation/pruning.md",
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    targets = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert not missing, f"{name_of(page)} links to {missing}"


def test_pages_are_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_README_LINES
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= MAX_CONTRIBUTING_LINES


def test_every_page_can_be_reached():
    linked: set[Path] = set()
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8")):
            linked.add((page.parent / target).resolve())
    alone = [
        name_of(page)
        for page in PAGES
        if page.is_relative_to(ROOT / "docs") and page not in linked and page.parent not in linked
    ]
    assert not alone, f"nothing links to {alone}"


def test_reference_pages_are_up_to_date():
    from docs import generate

    for name, text in generate.pages().items():
        written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
        assert written == text, f"docs/reference/{name} is out of date: run make docs"


def test_benchmark_table_is_up_to_date():
    from bench import table

    assert table.PAGE.read_text(encoding="utf-8") == table.page(table.RESULTS)


def test_decisions_are_numbered_and_whole():
    files = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    parts = ["## Context", "## Decision", "## Consequences", "## What would change our mind"]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(file.name[:4])}. ")
        assert re.findall(r"^## .*$", text, re.MULTILINE) == parts, file.name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_their_options_exist(page):
    group: Any = typer.main.get_command(app)
    for line in (line for block in blocks(page, "sh") for line in block.splitlines()):
        words = shlex.split(line, comments=True)
        if not words or words[0] != "lissom":
            continue
        assert words[1] in group.commands, line
        command = group.commands[words[1]]
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        assert {word for word in words if re.match(r"--?[a-z]", word)} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_parse_and_name_what_exists(page):
    import lissom

    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            named = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if named.startswith("lissom.") and named.count(".") == 1:
                assert hasattr(lissom, named.partition(".")[2]), named


def test_recipes_in_the_documentation_are_recipes():
    page = ROOT / "docs" / "reference" / "recipe.md"
    read = [Recipe.from_yaml(block) for block in blocks(page, "yaml")]
    assert read
    assert all(recipe.steps for recipe in read)
    for block in (block for each in PAGES for block in blocks(each, "yaml") if "steps:" in block):
        Recipe.from_yaml(block).check()


def test_the_page_on_samples_has_the_numbers_of_the_code():
    text = " ".join((ROOT / "docs/how-to/give-samples.md").read_text(encoding="utf-8").split())
    shares = [f"{FRACTIONS[name]:.0%}" for name in ("calibration", "selection", "certification")]
    assert "{} calibrate ranges, {} choose between candidates, {} are".format(*shares) in text
    assert calibration.LIMIT == observe.LIMIT
    assert f"some {shares[0]} of what you give, and at most {observe.LIMIT} samples" in text


def test_yaml_in_the_documentation_is_yaml():
    found = [yaml.safe_load(block) for page in PAGES for block in blocks(page, "yaml")]
    assert found
    assert all(isinstance(value, dict) for value in found)


@pytest.fixture
def workplace(tmp_path):
    """A folder with the files that the documentation speaks of, and a store of its own."""
    files = paths()
    for path in (files.model, files.samples, files.unlabelled):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(folder / "cache")}


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING)
def test_python_of_the_documentation_runs(page, workplace):
    ended = run("\n".join(blocks(ROOT / page, "python")), workplace)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(ROOT.glob("examples/*.py")), ids=name_of)
def test_examples_run(script, workplace):
    ended = run(script.read_text(encoding="utf-8"), workplace)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_deployment_code_opens_a_model(runtime, workplace):
    pytest.importorskip(runtime)
    (workplace / "small").mkdir()
    shutil.copy(paths().model, workplace / "small" / "model.onnx")
    page = ROOT / "docs" / "questions" / "deploy.md"
    (program,) = [block for block in blocks(page, "python") if f"import {runtime}" in block]
    ended = run(program, workplace)
    assert ended.returncode == 0, ended.stderr


def test_both_readmes_show_the_same_commands_and_results():
    english, chinese = ((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))
    number = re.compile(r"\d+\.\d+x")
    table = "<!-- RESULT: begin -->.*<!-- RESULT: end -->"
    shown = [
        number.findall(re.search(table, text, re.DOTALL).group()) for text in (english, chinese)
    ]
    assert shown[0] == shown[1]
    commands = [
        [line.split()[1] for block in blocks(ROOT / name, "sh") for line in block.splitlines()]
        for name in ("README.md", "README.zh-CN.md")
    ]
    assert set(commands[1]) <= set(commands[0])


@pytest.mark.slow
def test_commands_of_the_tutorial_run(workplace):
    page = ROOT / "docs" / "tutorials" / "first-compression.md"
    for line in (line for block in blocks(page, "sh") for line in block.splitlines()):
        words = shlex.split(line)
        ended = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=workplace,
            env=environment(workplace),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"
    assert (workplace / "small" / "report.html").exists()
