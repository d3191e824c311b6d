"""Write the pages of `docs/reference` that come from the source: the methods and the commands.

python docs/generate.py
"""

import ast
import re
from pathlib import Path
from typing import Any

import typer

from lissom.cli.app import app
from lissom.methods import registry

REFERENCE = Path(__file__).parent / "reference"
METHODS = Path(registry.__file__).parent
_FACTS = ("Source", "Differs", "Needs", "Cost", "Choose it when")

_METHODS_HEAD = """# Methods

Made by `python docs/generate.py` from the docstrings and fields of `src/lissom/methods`.
A recipe names a method by its id and gives parameters by name; what is not given stays at its
default. Format: [recipe](recipe.md).
A method of your own: [add a method](../how-to/add-a-method.md).
"""
_COMMANDS_HEAD = """# Commands

Made by `python docs/generate.py` from the commands themselves. The same verbs in Python are the
functions of `lissom.api`, available as `lissom.compress` and so on.

Answers go to standard output, progress and errors to standard error.

| exit code | meaning |
| --- | --- |
| 0 | done; for `compress`: a model within the limits was found |
| 2 | something given cannot be used; one line says what, where, and what to do |
| 3 | the limits cannot be met; the front is written, and a message says what is missed |
| 130 | interrupted; everything found so far is on disk and the same command goes on from there |
"""


def pages() -> dict[str, str]:
    """The generated pages, by file name."""
    return {"methods.md": methods_page(), "cli.md": commands_page()}


def methods_page() -> str:
    """Every method: its docstring's facts and its parameters."""
    parts = [_METHODS_HEAD]
    family = ""
    for method_id in registry.ids():
        folder, name = method_id.split(".")
        if folder != family:
            family = folder
            parts.append(f"## {family}\n\n{_docstring(METHODS / family / '__init__.py')}\n")
        summary, facts = split_docstring(_docstring(METHODS / family / f"{name}.py"))
        lines = [f"### {method_id}", "", summary, ""]
        lines += [f"- {fact}: {text}" for fact, text in facts.items()]
        parts.append("\n".join([*lines, "", *_parameters(method_id), ""]))
    return "\n".join(parts)


def split_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The free text before the first fact, and the facts (`Source: ...`) in their order."""
    flat = re.sub(r"\s*\n\s*", " ", text)
    pieces = re.split(rf"(?:^|(?<=\s))({'|'.join(_FACTS)}): ", flat)
    facts = dict(zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True))
    return pieces[0].strip(), facts


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def _parameters(method_id: str) -> list[str]:
    rows = [
        f"| `{p.name}` | {p.allowed} | {_code(p.default)} | {_sentence(p.description)} |"
        for p in registry.parameters(method_id)
    ]
    if not rows:
        return ["No parameters."]
    return ["| parameter | allowed | default | what |", "| --- | --- | --- | --- |", *rows]


def _sentence(text: str) -> str:
    flat = " ".join(text.split()).replace("|", "\\|").rstrip(".")
    return flat[:1].upper() + flat[1:]


def _code(value: Any) -> str:
    return f"`{value if isinstance(value, str) else registry.written(value)}`"


def commands_page() -> str:
    """Every command: what it does, its arguments and options."""
    group: Any = typer.main.get_command(app)
    parts = [_COMMANDS_HEAD]
    for name, command in group.commands.items():
        given = [p for p in command.params if p.name != "help"]
        arguments = [p for p in given if p.param_type_name == "argument"]
        options = [p for p in given if p.param_type_name == "option"]
        usage = " ".join(["lissom", name, *(_metavar(p) for p in arguments), "[OPTIONS]"])
        lines = [f"## lissom {name}", "", f"    {usage}", "", _flat(command.help), ""]
        if given:
            lines += ["| option | default | what |", "| --- | --- | --- |"]
            lines += [_row(p) for p in (*arguments, *options)]
            lines.append("")
        parts.append("\n".join(lines))
    return "\n".join(parts)


def _row(parameter: Any) -> str:
    name = _metavar(parameter)
    if parameter.param_type_name == "option":
        name = ", ".join(parameter.opts)
    default = parameter.default
    if parameter.required:
        shown = "required"
    elif default is None or default is False:
        shown = ""
    else:
        shown = _code(default)
    return f"| `{name}` | {shown} | {_flat(parameter.help or '')} |"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name).upper()


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write the pages."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
