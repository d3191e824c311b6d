"""What must never appear: unsafe calls, networking, swallowed errors, private paths, loose ends.

Every rule is one test and every finding says `file:line` and what is wrong.
"""

import ast
import re
from pathlib import Path

from tests.house import (
    SRC,
    TESTS,
    dotted,
    fail_on,
    imports,
    nodes,
    project_files,
    python_files,
    text_files,
    where,
)

MAX_FILE_BYTES = 2_000_000
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"}
NETWORK_MODULES = {"http", "urllib", "requests", "httpx", "socket", "ftplib", "smtplib"}
# A test that writes a hostile file, to see it refused.
HOSTILE = {"measure/test_readers.py"}
# Where any exception at all may be caught, because it becomes a result or is raised again.
BROAD_CATCHES = {
    "isolate/__main__.py",  # the parent is told, and raises
    "graph/canonical.py",  # a step is third-party code on a stranger's graph: it is noted
}
PRIVATE_PATH = re.compile(rf"(?<![\w.}}\])>-])/(?:{'|'.join(('home', 'root', 'tmp', 'work'))})/")
LOOSE_END = re.compile(rf"\b({'|'.join(('TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'))})\b")


def test_no_pickle() -> None:
    found = []
    for path in python_files("src", "tests", "bench", "docs", "examples"):
        if path.is_relative_to(TESTS) and path.relative_to(TESTS).as_posix() in HOSTILE:
            continue
        for line, name in imports(path):
            if name.split(".")[0] in UNSAFE_MODULES:
                found.append(f"{where(path, line)}: imports {name}")
        for node in nodes(path, ast.Call):
            for keyword in node.keywords:
                refused = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg == "allow_pickle" and not refused:
                    found.append(f"{where(path, node.lineno)}: allow_pickle")
    fail_on(found, "data that runs code when read has no place here")


def test_no_unsafe_calls() -> None:
    found = []
    for path in python_files("src", "bench"):
        for node in nodes(path, ast.Call):
            if dotted(node.func) in UNSAFE_CALLS:
                found.append(f"{where(path, node.lineno)}: calls {dotted(node.func)}")
            if any(k.arg == "shell" and getattr(k.value, "value", True) for k in node.keywords):
                found.append(f"{where(path, node.lineno)}: runs a shell")
    fail_on(found, "no code from data, no shell")


def test_no_networking() -> None:
    fail_on(
        [
            f"{where(path, line)}: imports {name}"
            for path in python_files("src")
            for line, name in imports(path)
            if name.split(".")[0] in NETWORK_MODULES and name != "urllib.parse.quote"
        ],
        "Lissom never opens a connection",
    )


def test_no_swallowed_exceptions() -> None:
    found = []
    for path in python_files("src"):
        inside = path.relative_to(SRC).as_posix()
        for node in nodes(path, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            broad = node.type is None or any(
                dotted(kind) in {"Exception", "BaseException"} for kind in kinds if kind
            )
            raises = isinstance(node.body[-1], ast.Raise)
            if broad and not raises and inside not in BROAD_CATCHES:
                found.append(f"{where(path, node.lineno)}: catches everything")
            silent = all(isinstance(line, ast.Pass) for line in node.body)
            if silent and "#" not in lines(path)[node.body[0].lineno - 1]:
                found.append(f"{where(path, node.lineno)}: hides what it catches, without a why")
    fail_on(found, "an exception is named, and handled or passed on")


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_asserts_in_the_source_only_narrow_types() -> None:
    found = []
    for path in python_files("src"):
        for node in nodes(path, ast.Assert):
            tests = node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]
            if not all(narrows(test) for test in tests):
                found.append(f"{where(path, node.lineno)}: {ast.unparse(node)[:70]}")
    fail_on(found, "data is checked with errors that say what to do; asserts may only narrow types")


def narrows(test: ast.expr) -> bool:
    """`x is not None` or `isinstance(x, T)`."""
    if isinstance(test, ast.Compare):
        return isinstance(test.ops[0], ast.Is | ast.IsNot)
    return isinstance(test, ast.Call) and dotted(test.func) == "isinstance"


def test_silenced_checks_say_which() -> None:
    loose = re.compile(r"#\s*(?:type:\s*ignore(?!\[)|noqa(?!:\s*[A-Z]))")
    fail_on(
        [
            f"{where(path, number)}: {line.strip()[:70]}"
            for path in python_files("src", "tests", "bench", "docs", "examples")
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if loose.search(line)
        ],
        "a silenced check carries its code",
    )


def test_no_private_paths() -> None:
    found = []
    for path, text in text_files():
        for number, line in enumerate(text.splitlines(), 1):
            if match := PRIVATE_PATH.search(line):
                found.append(f"{where(path, number)}: {line[match.start() :][:50]}")
    marks = tuple(f"/{name}/".encode() for name in ("home", "root", "tmp", "work"))
    for path in project_files():
        content = path.read_bytes() if path.suffix in {".onnx", ".npz", ".npy"} else b""
        found += [f"{where(path)}: {mark.decode()}..." for mark in marks if mark in content]
    fail_on(found, "no file of the project names a folder of somebody's machine")


def test_no_loose_ends() -> None:
    fail_on(
        [
            f"{where(path, number)}: {line.strip()[:70]}"
            for path, text in text_files()
            for number, line in enumerate(text.splitlines(), 1)
            if LOOSE_END.search(line)
        ],
        "work that is not done is not marked in the source: it is done or dropped",
    )


def test_hygiene() -> None:
    found = [
        f"{where(path)}: {size} bytes"
        for path in project_files()
        if (size := path.stat().st_size) > MAX_FILE_BYTES
    ]
    for path, text in text_files():
        if "\r" in text:
            found.append(f"{where(path)}: carriage returns")
        if text and not text.endswith("\n"):
            found.append(f"{where(path)}: no newline at the end")
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip():
                found.append(f"{where(path, number)}: trailing space")
    fail_on(found, f"text is clean and no file is over {MAX_FILE_BYTES} bytes")
