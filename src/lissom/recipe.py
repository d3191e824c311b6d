"""A recipe: the ordered steps that rebuild a candidate from the original model.

It is written as YAML, by people and by Lissom, and read with nothing but the safe loader. It names
methods by their ids only, so a stranger's recipe cannot make any code run but Lissom's own.

    lissom: 1
    name: int8-static
    seed: 0
    steps:
      - method: quantize.static
        parameters: {ranges: mse}
        exclude: ["/head/*"]
"""

import errno
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, final

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from lissom.errors import RecipeError
from lissom.graph.model import Model
from lissom.methods import registry
from lissom.methods.protocol import Context, Plan
from lissom.methods.runner import apply
from lissom.methods.scope import Scope
from lissom.near import did_you_mean
from lissom.runtime.registry import runtimes
from lissom.store.small import read_small

__all__ = ["FORMAT", "Recipe", "Step", "plain_yaml", "rebuild"]

FORMAT = 1
"""The version of the format, under the key `lissom`."""

_LARGEST_BYTES = 1 << 17  # far above any honest recipe, far below what hurts a parser
_DEEPEST = 20
_LONGEST_WORD = 1000  # not in quotes; a number of base 60 ("1:1:1...") takes quadratic time
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
_STRICT = ConfigDict(extra="forbid")
_LONGEST_SHOWN = 100
_ORDER = "`lissom apply` takes the recipe first, then the model"
_WANTED = {
    "name": "letters, digits and . _ + -, the first a letter or digit, at most 100",
    "steps": "a list, each as - {method: quantize.static}",
    "seed": "a whole number, at least 0",
    "preprocessing": "a mapping, such as {width: 224, height: 224}, or leave it out",
    "runtime": "the name of a runtime, or leave it out",
    "method": "the id of a method, such as quantize.static",
    "parameters": "a mapping by name, such as {bits: 4}",
    "include": "a list of operator types and node names: [Gemm]",
    "exclude": "a list of operator types and node names: [Gemm]",
}
"""What the value of each key is, for messages."""


@final
@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Step:
    """One method with its parameters, and the nodes that it may touch.

    Attributes:
        method: a method's id.
        parameters: by name; what is not given stays at its default.
        include: operator types and globs over node names; empty means every node.
        exclude: likewise; what is left out.
    """

    method: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __str__(self) -> str:
        """On one line, as `quantize.static(ranges=mse)`."""
        given = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.method}({given})" if given else self.method


@final
@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Recipe:
    """Ordered steps from the original to a candidate.

    Attributes:
        name: short; a candidate bears it.
        steps: applied in order; none gives the original back.
        seed: of every random choice of every step.
        preprocessing: how images were turned into inputs when the samples were read, if they were
            images; whoever rebuilds must feed the same.
        runtime: what the candidate is made for, where that is not the default runtime: what each
            operator is worth there decided how the steps were carried out.
    """

    name: str = Field(default="recipe", pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=100)
    steps: tuple[Step, ...] = ()
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    preprocessing: dict[str, Any] | None = None
    runtime: str | None = None

    @property
    def in_words(self) -> str:
        """The steps on one line; empty where there are none."""
        return "; ".join(map(str, self.steps))

    def check(self) -> None:
        """Refuse what could never run, before anything does.

        Raises:
            RecipeError: a method, a parameter or the runtime does not exist, or a value is not
                allowed.
        """
        if self.runtime is not None and self.runtime not in runtimes():
            raise RecipeError(
                f"recipe {self.name!r}: runtime {self.runtime!r} is not known; "
                f"choose one of: {', '.join(runtimes())}"
            )
        for number, step in enumerate(self.steps, 1):
            try:
                registry.create(step.method, step.parameters)
            except RecipeError as error:
                raise RecipeError(f"recipe {self.name!r}, step {number}: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """As plain values, without what stands at its default."""
        values: dict[str, Any] = {"lissom": FORMAT, "name": self.name, "seed": self.seed}
        if self.preprocessing is not None:
            values["preprocessing"] = self.preprocessing
        if self.runtime is not None:
            values["runtime"] = self.runtime
        values["steps"] = [_step_to_json(step) for step in self.steps]
        return values

    @classmethod
    def from_json(cls, values: Any, where: str = "recipe") -> "Recipe":
        """Read what `to_json` wrote.

        Raises:
            RecipeError: it is no recipe, of a later format, or holds what is unknown or not
            allowed.
        """
        if not isinstance(values, Mapping):
            raise RecipeError(
                f"{where}: a recipe is a mapping with the keys lissom, name and steps"
            )
        given = {str(key): value for key, value in values.items()}
        version = given.pop("lissom", None)
        if version != FORMAT:
            said = "not said" if version is None else _told(version)
            raise RecipeError(f"{where}: its format is {said}; write 'lissom: {FORMAT}'")
        try:
            recipe: Recipe = TypeAdapter(cls).validate_python(given)
        except ValidationError as error:
            raise RecipeError(f"{where}: {_refusal(error, given)}") from error
        try:
            recipe.check()
        except RecipeError as error:
            raise RecipeError(f"{where}: {error}") from error
        return recipe

    def to_yaml(self) -> str:
        """As YAML; `from_yaml` is the inverse."""
        return yaml.safe_dump(self.to_json(), sort_keys=False, allow_unicode=True, width=100)

    @classmethod
    def from_yaml(cls, text: str, where: str = "recipe") -> "Recipe":
        """Read YAML with the safe loader.

        Raises:
            RecipeError: the text is no YAML, uses aliases, is nested too deep, or is no recipe.
        """
        try:
            values = plain_yaml(text)
        except ValueError as error:
            raise RecipeError(f"{where}: {error}") from error
        return cls.from_json(values, where)

    @classmethod
    def load(cls, path: Path) -> "Recipe":
        """Read a recipe file.

        Raises:
            RecipeError: the file cannot be read or holds no recipe.
        """
        if path.suffix.lower() == ".onnx":
            raise RecipeError(f"{path} is a model and no recipe; {_ORDER}")
        try:
            text = read_small(path, most_bytes=_LARGEST_BYTES).decode()
        except UnicodeDecodeError as error:
            raise RecipeError(f"{path} is no text, so no recipe; {_ORDER}") from error
        except OSError as error:
            told = error.strerror or str(error)
            if error.errno == errno.EINVAL:  # too large, or no file at all
                told = f"{told}, so it is no recipe; {_ORDER}"
            raise RecipeError(f"{path} cannot be read: {told}") from error
        return cls.from_yaml(text, str(path))


def _refusal(error: ValidationError, values: Mapping[str, Any]) -> str:
    """What is wrong, in which step (from 1), and how it is written right."""
    errors = error.errors()
    # A key that does not exist explains another one that is missing.
    unknown = [one for one in errors if one["type"] == "unexpected_keyword_argument"]
    path = (unknown or errors)[0]["loc"]
    inside, place, kind = values, "", "recipe"
    if path[0] == "steps" and len(path) > 1 and isinstance(path[1], int):
        inside, place, kind = list(values["steps"])[path[1]], f"step {path[1] + 1}: ", "step"
        path = path[2:]
    if not path or not isinstance(inside, Mapping):
        return f"{place}it is {_told(inside)}; write {_form(inside, None)}"
    key = str(path[0])
    if unknown:
        return place + _unknown(key, inside, kind)
    if key not in inside:
        return f"{place}{key} is missing; write {_form('quantize.static', None)}"
    value = inside[key]
    wanted = _WANTED.get(key, "what the format says")
    if key in {"include", "exclude"} and isinstance(value, str):
        wanted = f"a list: {_flow([value])}"
    return f"{place}{key} is {_told(value)}; write {wanted}"


def _unknown(key: str, inside: Mapping[str, Any], kind: str) -> str:
    """What to write in place of a key that does not exist."""
    if kind == "step" and "." in key:
        return f"a method is the value of 'method'; write {_form(key, inside[key])}"
    method = inside.get("method")
    known = registry.parameters(method) if kind == "step" and method in registry.ids() else ()
    if key in {one.name for one in known}:
        return f"{key!r} is a parameter; write {_form(method, {key: inside[key]})}"
    keys = [one.name for one in fields(Step if kind == "step" else Recipe)]
    keys = keys if kind == "step" else ["lissom", *keys]
    meant = did_you_mean(key, keys)
    return f"no key is called {_told(key)}; a {kind} has: {', '.join(keys)}" + (
        f"; {meant}" if meant else ""
    )


def _form(method: Any, parameters: Any) -> str:
    """A step as it is written, of this method if it can be one."""
    is_id = isinstance(method, str) and "." in method
    step: dict[str, Any] = {"method": method if is_id else "quantize.static"}
    if isinstance(parameters, Mapping) and parameters:
        step["parameters"] = dict(parameters)
    return f"- {_flow(step)}"


def _flow(value: Any) -> str:
    """YAML on one line, cut."""
    try:
        text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True)
    except (ValueError, yaml.YAMLError):  # such as a whole number of thousands of digits
        return "{...}"
    return _short(" ".join(text.split()))


def _told(value: Any) -> str:
    return _short(registry.written(value))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def plain_yaml(text: str) -> Any:
    """Read YAML that may come from a stranger: values only, and few.

    Raises:
        ValueError: it is no YAML, too large, or uses what makes a parser slow or a text enormous;
            the message says which.
    """
    if len(text.encode(errors="replace")) > _LARGEST_BYTES:
        raise ValueError(f"it is larger than {_LARGEST_BYTES} bytes")
    try:
        problem = _harm(text)
        values = None if problem else yaml.safe_load(text)
    # A date of month 13 or a number of 5000 digits fails inside the parser, as plain Python.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        raise ValueError(f"it is not YAML: {error}") from error
    if problem:
        raise ValueError(problem)
    return values


def _harm(text: str) -> str | None:
    """What would make a parser slow or a small text enormous; no recipe needs either."""
    depth = 0
    for token in yaml.scan(text):
        if isinstance(token, yaml.AliasToken):
            return "aliases (*name) are not allowed"
        if isinstance(token, yaml.ScalarToken) and token.plain and len(token.value) > _LONGEST_WORD:
            return f"it has a word of more than {_LONGEST_WORD} letters; put text in quotes"
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > _DEEPEST:
            return f"it is nested more than {_DEEPEST} levels deep"
    return None


def _step_to_json(step: Step) -> dict[str, Any]:
    values: dict[str, Any] = {"method": step.method}
    if step.parameters:
        values["parameters"] = step.parameters
    if step.include:
        values["include"] = list(step.include)
    if step.exclude:
        values["exclude"] = list(step.exclude)
    return values


def rebuild(
    recipe: Recipe,
    model: Model,
    context: Context,
    begun: Callable[[int, str], None] = lambda *_: None,
) -> tuple[Model, tuple[Plan, ...]]:
    """Apply the steps of a recipe in order.

    Args:
        recipe: what to do.
        model: the original.
        context: its seed and scope are replaced by the recipe's and the steps' own.
        begun: told the number of each step, from 1, and its method.

    Returns:
        The rebuilt model and the plan of each step.

    Raises:
        RecipeError: a step could never run, or a target matched no node, neither of the original
            nor of what the step was given.
        MethodError: a step failed.
    """
    recipe.check()
    plans: list[Plan] = []
    current, reference = model, context.reference
    for number, step in enumerate(recipe.steps, 1):
        scope = Scope(include=step.include, exclude=step.exclude)
        unmatched = scope.unmatched((model, current))
        if unmatched:
            raise RecipeError(
                f"recipe {recipe.name!r}, step {number} ({step.method}): nothing in the model is "
                f"called {', '.join(unmatched)}"
            )
        begun(number, step.method)
        method = registry.create(step.method, step.parameters)
        given = replace(context, reference=reference, scope=scope, seed=recipe.seed)
        outcome = apply(method, current, given)
        if reference is None and outcome.plan.rounds:
            reference = current
        current = outcome.model
        plans.append(outcome.plan)
    return current, tuple(plans)
