"""Reading the project's own source as syntax trees: what the tests of the house's rules share."""

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "ROOT",
    "SRC",
    "TESTS",
    "Function",
    "dotted",
    "fail_on",
    "imports",
    "modules",
    "nodes",
    "project_files",
    "python_files",
    "resolve",
    "text_files",
    "top_level_names",
    "tree",
    "where",
]

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "lissom"
TESTS = ROOT / "tests"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*folders: str) -> list[Path]:
    found = [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]
    return [p for p in found if "__pycache__" not in p.parts]


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def where(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def fail_on(findings: list[str], rule: str) -> None:
    assert not findings, f"{rule}\n  " + "\n  ".join(findings)


def nodes(path: Path, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, kinds))


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute expression, else the empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (head := dotted(node.value)):
        return f"{head}.{node.attr}"
    return ""


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, at module level and inside functions alike."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and dotted(node.func).endswith(("import_module", "__import__"))
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            yield node.lineno, node.args[0].value


def module_name(path: Path) -> str:
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in python_files("src/lissom")}


def resolve(name: str) -> str | None:
    """The module of ours that an imported name is or lives in, or None."""
    while name.split(".")[0] == "lissom":
        if name in modules():
            return name
        name = name.rpartition(".")[0]
    return None


def top_level_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in tree(path).body:
        if isinstance(node, Function | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(t.id for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    return names


def text_files() -> Iterator[tuple[Path, str]]:
    for path in project_files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@functools.cache
def project_files() -> tuple[Path, ...]:
    """What git tracks or would track; without git, what lies in the project's own folders."""
    asked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == 0:
        return tuple(p for line in asked.stdout.splitlines() if (p := ROOT / line).is_file())
    folders = ("src", "tests", "bench", "docs", "examples", ".ci")
    found = [p for folder in folders for p in (ROOT / folder).rglob("*") if p.is_file()]
    return tuple(p for p in found if "__pycache__" not in p.parts)
