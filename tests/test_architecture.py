"""The limits of the house, as code: sizes, names, import order, doors, and what must never appear.

Every rule is one test and every finding says `file:line` and what is wrong. A limit is raised only
by a decision record in `docs/decisions`.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import (
    ROOT,
    SRC,
    TESTS,
    dotted,
    fail_on,
    imports,
    modules,
    nodes,
    python_files,
    resolve,
    top_level_names,
    tree,
    where,
)

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8

# A room may import rooms of a lower rank and itself; rooms of one rank do not know each other.
RANKS = {
    "errors": 0,
    "near": 0,
    "numerics": 1,
    "store": 1,
    "isolate": 1,
    "demo": 1,
    "graph": 2,
    "runtime": 3,
    "measure": 4,
    "network": 5,
    "methods": 6,
    "recipe": 7,
    "search": 8,
    "report": 9,
    "api": 10,
    "cli": 11,
    "__main__": 12,
}
# The heavy libraries, and the only places (relative to src/lissom) that may import them.
DOORS = {
    "onnx": ("graph/",),
    "onnx_ir": ("graph/",),
    "onnxscript": ("graph/",),
    "onnxruntime": ("runtime/onnxruntime.py",),
    "openvino": ("runtime/openvino.py",),
    "torch": ("network/",),
    "keras": ("network/",),
    "jinja2": ("report/",),
    "psutil": ("isolate/", "measure/"),
    "rich": ("cli/", "report/terminal.py"),
    "typer": ("cli/",),
}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "manager", "core"}
HEAVY_AT_IMPORT = set(DOORS) | {"scipy", "PIL"}


# --- sizes and names ---
def test_files_are_short() -> None:
    fail_on(
        [
            f"{where(path)}: {count} lines"
            for path in python_files("src", "tests", "bench", "docs", "examples")
            if (count := len(path.read_text(encoding="utf-8").splitlines())) > MAX_FILE_LINES
        ],
        f"a Python file has at most {MAX_FILE_LINES} lines",
    )


def is_command(path: Path) -> bool:
    """Commands declare their options as parameters: docs/decisions."""
    return path.relative_to(SRC).parts[0] == "cli"


def test_functions_are_short() -> None:
    found = []
    for path in python_files("src"):
        for node in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef):
            first = node.body[0].lineno if is_command(path) else node.lineno
            count = node.end_lineno - first + 1
            if count > MAX_FUNCTION_LINES:
                found.append(f"{where(path, node.lineno)}: {node.name} has {count} lines")
    fail_on(found, f"a function has at most {MAX_FUNCTION_LINES} lines (a command's body, too)")


def test_functions_have_few_parameters() -> None:
    found = []
    for path in python_files("src"):
        for node in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef):
            names = [
                argument.arg
                for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                if argument.arg not in {"self", "cls"}
            ]
            if len(names) > MAX_PARAMETERS and not is_command(path):
                found.append(f"{where(path, node.lineno)}: {node.name} takes {len(names)}")
    fail_on(found, f"a function takes at most {MAX_PARAMETERS} parameters (commands exempt)")


def test_no_module_is_a_drawer() -> None:
    fail_on(
        [
            f"{where(path)}: a module or folder called {part}"
            for path in python_files("src", "tests", "bench")
            for part in path.relative_to(ROOT).with_suffix("").parts
            if part.strip("_").removeprefix("test_") in FORBIDDEN_NAMES
        ],
        "a module is named after what it holds",
    )


def test_method_files_hold_one_public_class() -> None:
    found = []
    for path in sorted((SRC / "methods").glob("*/*.py")):
        if path.name.startswith("_"):
            continue
        public = [
            node.name
            for node in tree(path).body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        ]
        if len(public) != 1:
            found.append(f"{where(path)}: public classes {public}")
    fail_on(found, "a method file defines exactly one public class: the method")


def test_room_doors_hold_only_a_docstring() -> None:
    found = []
    for path in python_files("src/lissom"):
        if path.name != "__init__.py" or path.parent == SRC:
            continue
        body = tree(path).body
        if not (len(body) == 1 and ast.get_docstring(tree(path))):
            found.append(f"{where(path)}: holds code or lacks its docstring")
    fail_on(
        found, "a room's __init__.py is a docstring: import from the module that defines a name"
    )


# --- imports ---
def room(module: str) -> str:
    """`graph` of `lissom.graph.edit`; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def test_imports_go_one_way() -> None:
    found = []
    for module, path in modules().items():
        here = room(module)
        if not here:
            continue  # lissom/__init__.py names what others define
        if here not in RANKS:
            found.append(f"{where(path)}: {here} is not a room of the house")
            continue
        for line, name in imports(path):
            target = resolve(name)
            if target == "lissom":
                if name not in {"lissom", "lissom.__version__"}:
                    found.append(f"{where(path, line)}: {name} does not exist")
                continue
            there = room(target) if target else here
            if there != here and (there not in RANKS or RANKS[there] >= RANKS[here]):
                found.append(f"{where(path, line)}: {here} imports {target}")
    fail_on(found, "imports go down only")


def test_child_entries_go_one_way_and_exist() -> None:
    found = []
    for module, path in modules().items():
        for node in nodes(path, ast.Constant):
            match = re.fullmatch(r"(lissom\.[a-z_.0-9]+):(\w+)", str(node.value))
            if not match:
                continue
            target, function = match.groups()
            if target not in modules() or function not in top_level_names(modules()[target]):
                found.append(f"{where(path, node.lineno)}: {node.value} does not exist")
            elif room(target) != room(module) and RANKS[room(target)] >= RANKS[room(module)]:
                found.append(f"{where(path, node.lineno)}: {room(module)} calls {node.value}")
    fail_on(found, "what runs in a child process is in this room or below")


def test_no_import_cycles() -> None:
    edges = {
        module: {t for _, name in imports(path) if (t := resolve(name)) and t != module}
        for module, path in modules().items()
        if module != "lissom"
    }
    done: set[str] = set()
    found: list[str] = []

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if module in trail:
            found.append(" -> ".join((*trail[trail.index(module) :], module)))
        elif module not in done:
            for target in sorted(edges.get(module, ())):
                visit(target, (*trail, module))
            done.add(module)

    for module in edges:
        visit(module, ())
    fail_on(found, "no module imports itself through others")


def test_heavy_libraries_have_one_door() -> None:
    fail_on(
        [
            f"{where(path, line)}: imports {name}"
            for path in python_files("src")
            for line, name in imports(path)
            if (doors := DOORS.get(name.split(".")[0]))
            and not str(path.relative_to(SRC)).startswith(doors)
        ],
        "a heavy library is imported in its own room only",
    )


def test_importing_lissom_is_light() -> None:
    code = "import sys, lissom; print(*sorted({n.split('.')[0] for n in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "lissom" in loaded
    assert not HEAVY_AT_IMPORT & set(loaded), "import lissom loads a heavy library"


# --- public names ---
def test_rooms_take_only_the_version_from_the_package() -> None:
    fail_on(
        [
            f"{where(path, node.lineno)}: {dotted(node)}"
            for path in python_files("src/lissom")
            for node in nodes(path, ast.Attribute)
            if dotted(node).startswith("lissom.") and dotted(node) != "lissom.__version__"
        ],
        "the package's lazy names are for users: a room imports from the module that defines",
    )


def declared_names(path: Path) -> set[str] | None:
    """What a module lists in `__all__`; None if it has no such list."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and dotted(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


def test_all_lists_what_exists() -> None:
    fail_on(
        [
            f"{where(path)}: {name} is listed in __all__ and not defined"
            for path in python_files("src/lissom")
            if path != SRC / "__init__.py"
            for name in sorted((declared_names(path) or set()) - top_level_names(path))
        ],
        "__all__ names what the module defines",
    )


def test_all_lists_what_others_use() -> None:
    found = []
    for path in python_files("src/lissom"):
        for line, name in imports(path):
            target = resolve(name)
            if target in {None, "lissom", name} or modules()[target] == path:
                continue
            listed = declared_names(modules()[target])
            if listed is None or name.rpartition(".")[2] not in listed:
                found.append(f"{where(path, line)}: {name} is not in {target}.__all__")
    fail_on(found, "what one module takes from another is in the other's __all__")


def test_lazy_names_resolve() -> None:
    import lissom

    if not hasattr(lissom, "__all__"):
        pytest.fail("src/lissom/__init__.py lists no public names")
    missing = [name for name in lissom.__all__ if not hasattr(lissom, name)]
    assert not missing, f"lissom.__all__ lists names that do not exist: {missing}"
    assert set(lissom.__all__) <= set(dir(lissom))


# --- tests ---
def test_every_module_has_a_test() -> None:
    found = []
    for path in python_files("src/lissom"):
        inside = path.relative_to(SRC)
        if path.name in {"__init__.py", "__main__.py"}:
            continue  # doors and entry points hold no logic of their own
        twin = TESTS / inside.parent / f"test_{inside.stem.lstrip('_')}.py"
        if not twin.exists():
            found.append(f"{where(path)}: {twin.relative_to(ROOT)} does not exist")
    fail_on(found, "a test file stands beside every module")


def test_tests_mirror_the_source() -> None:
    own_folders = {
        "bench", "contract", "conformance", "e2e", "golden", "hostile", "property", "survival",
    }  # fmt: skip
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        inside = path.relative_to(TESTS)
        if inside.parts[0] in own_folders or (len(inside.parts) == 1 and not is_mirrored(inside)):
            continue
        name = inside.stem.removeprefix("test_")
        if not any((SRC / inside.parent / f"{mark}{name}.py").exists() for mark in ("", "_")):
            found.append(f"{where(path)}: there is no module of this name")
    fail_on(found, "a test file has the name and place of the module that it tests")


def is_mirrored(inside: Path) -> bool:
    """Tests at the top either mirror a top-level module or keep the rules of the whole project."""
    return inside.stem.removeprefix("test_") not in {"architecture", "conduct", "docs", "init"}


def test_tests_are_no_packages() -> None:
    found = [f"{where(path)}: remove it" for path in TESTS.rglob("__init__.py")]
    fail_on(found, "folders of tests have no __init__.py")


def has_check(function: ast.AST) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            last = name.rpartition(".")[2].lstrip("_")
            if name in {"pytest.raises", "pytest.warns", "pytest.fail"}:
                return True
            if last.startswith(("assert", "check", "expect", "fail_on")):
                return True
    return False


def test_every_test_checks_something() -> None:
    fail_on(
        [
            f"{where(path, node.lineno)}: {node.name}"
            for path in sorted(TESTS.rglob("test_*.py"))
            for node in nodes(path, ast.FunctionDef)
            if node.name.startswith("test_") and not has_check(node)
        ],
        "a test without a check proves nothing",
    )
