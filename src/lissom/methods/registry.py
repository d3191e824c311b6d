"""The folder is the registry: `quantize.static` is the one public class of `quantize/static.py`.

Nothing is imported until it is asked for by name, and an import that fails is not hidden. Only
files of this folder can be named, so that a recipe from a stranger cannot make anything else run.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from lissom.errors import BrokenPromise, RecipeError
from lissom.methods.protocol import Method
from lissom.near import did_you_mean, near

__all__ = ["Parameter", "create", "id_of", "ids", "load", "parameters", "values_of", "written"]

_FOLDER = Path(__file__).parent
_NUMBERS = "lists of numbers by name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One field of a method, as its class declares it.

    Attributes:
        name: of the field.
        kind: `integer`, `number`, `string`, `boolean`, `lists of numbers by name`, or such a kind
            `or null`.
        default: its value when nothing is said.
        minimum: smallest allowed number; None without one.
        maximum: largest allowed number; None without one.
        choices: the allowed values; empty when the field is no choice.
        search: the values that a search tries.
        description: one sentence for people.
    """

    name: str
    kind: str
    default: Any
    minimum: float | None
    maximum: float | None
    choices: tuple[Any, ...]
    search: tuple[Any, ...]
    description: str

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        if self.choices:
            return "one of " + ", ".join(
                one if isinstance(one, str) else written(one) for one in self.choices
            )
        if self.minimum is not None and self.maximum is not None:
            return f"{self.kind} from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f"{self.kind}, at least {self.minimum:g}"
        if self.maximum is not None:
            return f"{self.kind}, at most {self.maximum:g}"
        return self.kind + (", whole and from 0" if self.kind == _NUMBERS else "")


@cache
def ids() -> tuple[str, ...]:
    """The ids of all methods, sorted."""
    return tuple(
        sorted(
            f"{file.parent.name}.{file.stem}"
            for file in _FOLDER.glob("*/*.py")
            if not file.stem.startswith("_")
        )
    )


def load(method_id: str) -> type[Method]:
    """The class of a method.

    Raises:
        RecipeError: no method has this id.
        BrokenPromise: its file does not hold exactly one public class.
    """
    if method_id not in ids():
        known = _alike(method_id) or f"there are: {', '.join(ids())}"
        raise RecipeError(f"no method is called {method_id!r}; {known}")
    module = import_module(f"lissom.methods.{method_id}")
    found = [
        kind
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and not name.startswith("_")
    ]
    if len(found) != 1:
        raise BrokenPromise(
            f"{method_id}: a method's file holds one public class, not {len(found)}"
        )
    return cast(type[Method], found[0])


def _alike(method_id: str) -> str:
    """The question after methods of a name like this; empty where there is none.

    What stands before the point is not compared: it is so long that all methods of one family
    would look alike.
    """
    names = {one: one.rpartition(".")[2] for one in ids()}
    like = near(method_id.rpartition(".")[2], names.values())
    found = [one for name in like for one in ids() if names[one] == name]
    return f"did you mean {' or '.join(map(repr, found))}?" if found else ""


def parameters(method_id: str) -> tuple[Parameter, ...]:
    """The fields of a method, in the order in which they are declared.

    Raises:
        RecipeError: no method has this id.
    """
    schema = TypeAdapter(load(method_id)).json_schema()
    return tuple(_parameter(name, field) for name, field in schema.get("properties", {}).items())


def _parameter(name: str, field: Mapping[str, Any]) -> Parameter:
    kinds = field.get("anyOf", [field])
    merged = {key: value for kind in kinds for key, value in kind.items()} | dict(field)
    choices = [value for kind in kinds for value in kind.get("enum", _constant(kind))]
    if choices and any(kind.get("type") == "null" for kind in kinds):
        choices.append(None)
    return Parameter(
        name=name,
        kind=" or ".join(_word(kind) for kind in kinds),
        default=field.get("default"),
        minimum=merged.get("minimum"),
        maximum=merged.get("maximum"),
        choices=tuple(choices),
        search=tuple(field.get("search", ())),
        description=field.get("description", ""),
    )


def _word(kind: Mapping[str, Any]) -> str:
    name = str(kind.get("type", "string"))
    return _NUMBERS if name == "object" else name


def _constant(kind: Mapping[str, Any]) -> list[Any]:
    if kind.get("type") == "boolean":
        return [True, False]
    return [kind["const"]] if "const" in kind else []


def create(method_id: str, given: Mapping[str, Any]) -> Method:
    """A method with these parameters, the others at their defaults.

    Raises:
        RecipeError: no method has this id, it has no such parameter, or a value is not allowed.
    """
    kind = load(method_id)
    known = {parameter.name: parameter for parameter in parameters(method_id)}
    for name in given:
        if name not in known:
            meant = did_you_mean(str(name), known)
            raise RecipeError(
                f"{method_id} has no parameter {name!r}; it has: {', '.join(known) or 'none'}"
                + (f"; {meant}" if meant else "")
            )
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if name not in known:
            said = first.get("ctx", {}).get("error", first["msg"])
            raise RecipeError(f"{method_id}: {said}") from error
        raise RecipeError(
            f"{method_id}: {name} is {written(given.get(name))}; allowed: {known[name].allowed}"
        ) from error


def values_of(method: Method) -> dict[str, Any]:
    """The parameters of a method as a recipe writes them; `create` is the inverse."""
    values: dict[str, Any] = TypeAdapter(type(method)).dump_python(method, mode="json")
    return values


def written(value: Any) -> str:
    """A value as messages and pages show it: in the words of YAML, null and true; text quoted."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    try:
        return repr(value)
    except ValueError:  # Python writes no whole number of thousands of digits
        return "a value of too many digits"


def id_of(method: Method) -> str:
    """The id of a method, from the file that it lives in."""
    return ".".join(type(method).__module__.split(".")[-2:])
