"""OpenVINO on the processor: sessions, timing, its profile, and the precision that it computes in.

The only file that imports openvino, and only when something is opened. Left alone, OpenVINO picks
bfloat16 by itself where the processor has it, and 8-bit activations in front of packed weights;
here both are chosen by us and stated: float32 arithmetic unless the target's option
`INFERENCE_PRECISION_HINT` says another. One run uses `target.threads` threads and one stream, as
for latency. Fusions are made at each load, so there is nothing to write offline.

What it does in silence, and what is done about it: integers of 64 bits are computed in 32 (an input
that does not fit is refused), float64 is computed in float32, strings crash it (refused at load).
"""

import functools
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, ClassVar, NoReturn, Self, final

import numpy as np

from lissom.errors import MeasurementError, MissingExtra, OptionError
from lissom.graph.model import Port
from lissom.runtime._installed import is_installed, version_of
from lissom.runtime._probing import kept_facts
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["DEFAULTS", "OPTIONS", "OpenVinoSession", "Runtime"]

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "CPU_DENORMALS_OPTIMIZATION": ("NO", "YES"),
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": ("0", "32", "64", "128"),
    "INFERENCE_PRECISION_HINT": ("f32", "bf16", "f16"),
}
"""Settings that change speed or rounding: name to allowed values, the first being ours.

They are OpenVINO's properties, under its own names. DYNAMIC_QUANTIZATION_GROUP_SIZE: how many
inputs of a product with packed weights share a scale of 8-bit activations; 0 keeps them float.
"""

DEFAULTS: Mapping[str, str] = {name: allowed[0] for name, allowed in OPTIONS.items()}
"""What is set where the target says nothing."""

_DEVICE = "CPU"
_PLACE: Mapping[str, str] = {
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": "1",
    "ENABLE_CPU_PINNING": "NO",  # whoever measures has already bound the process
    "ENABLE_HYPER_THREADING": "YES",  # as many threads as were asked for, not as many as cores
}
_TYPES = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "boolean": "bool",
    **{
        f"{kind}{bits}": f"{name}{bits}"
        for kind, name in (("i", "int"), ("u", "uint"))
        for bits in (4, 8, 16, 32, 64)
    },
}
_NARROWED = frozenset({"int64", "uint64", "uint32"})  # computed as int32
_SINK = re.compile(r"/sink_port_\d+$")
_FAILURES = (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError, OverflowError)
_PROBE_SECONDS = 180.0
_TELEMETRY = "openvino_telemetry"


@final
class Runtime:
    """OpenVINO with its processor plugin. See `protocol.Runtime`."""

    name: ClassVar[str] = "openvino"
    defaults: ClassVar[Mapping[str, str]] = DEFAULTS

    def version(self) -> str:
        """The installed version, read without importing the library."""
        return version_of("openvino", _library)

    def available(self) -> bool:
        """Whether the library is installed."""
        return is_installed("openvino")

    def open(
        self, path: Path, target: Target, *, profile: Path | None = None, lean: bool = False
    ) -> "OpenVinoSession":
        """Load a model in this process; lean or not, alike. See `protocol.Runtime.open`."""
        del lean
        return OpenVinoSession(path, target, profile)

    def facts(self, store: Store) -> Facts:
        """Measure once per processor and version, in a child, and keep it. See the protocol.

        The facts hold for arithmetic in float32: in bfloat16 the float kernels are faster, and the
        integer ones gain less.
        """
        entry = "lissom.runtime._openvino_probe:probe"
        return kept_facts(self, entry, store, probe=7, seconds=_PROBE_SECONDS)

    def optimize(self, source: Path, out: Path, target: Target) -> tuple[str, ...]:
        """Fuse nothing: OpenVINO does it at each load, and writes only its own format."""
        del source, out, target
        return ()

    def node_times(self, profile: Path) -> list[dict[str, Json]]:
        """Read a profile that a session of this runtime wrote. See the protocol.

        An operator is named with the precision that it ran in, as "Convolution u8".
        """
        try:
            runs = json.loads(profile.read_text(encoding="utf-8"))
            return [
                {"run": number, "node": node, "op_type": op_type, "seconds": micro * 1e-6}
                for number, run in enumerate(runs)
                for node, op_type, micro in run
            ]
        except (OSError, ValueError, TypeError) as error:
            _refuse(f"OpenVINO's profile {profile.name} cannot be read", error)


@final
class OpenVinoSession:
    """A loaded model. See `protocol.Session`.

    Raises:
        MeasurementError: The library cannot load the model.
        OptionError: An option of the target is unknown here.
    """

    def __init__(self, path: Path, target: Target, profile: Path | None) -> None:
        settings = _settings(target)
        library = _library()
        self._tensor = library.Tensor
        self._profile = profile
        self._runs: list[list[tuple[str, str, float]]] = []
        if profile is not None:
            settings["PERF_COUNT"] = "YES"
        try:
            model = _core(library).read_model(str(path))
            # Results and parameters keep ONNX's order, and its names in their own.
            self._inputs = tuple(_port(value) for value in model.inputs)
            self._outputs = tuple(_port(value) for value in model.outputs)
            _check_types(path, (*self._inputs, *self._outputs))
            compiled = _core(library).compile_model(model, _DEVICE, settings)
            self._request = compiled.create_infer_request()
            self._places = dict(
                zip((port.name for port in self._inputs), compiled.inputs, strict=True)
            )
        except _FAILURES as error:
            _refuse(f"OpenVINO cannot load {path.name}", error, path)

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What must be fed; sizes that vary have no names here."""
        return self._inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """What is answered."""
        return self._outputs

    def run(
        self, feeds: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Run once; see the protocol."""
        known = [port.name for port in self._outputs]
        names = known if outputs is None else list(outputs)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise MeasurementError(f"OpenVINO failed in a run: there is no output {unknown[0]!r}")
        given = self._checked(feeds)
        try:
            self._infer(given)
            self._note()
            return {
                name: np.array(self._request.get_output_tensor(known.index(name)).data)
                for name in names
            }
        except _FAILURES as error:
            _refuse("OpenVINO failed in a run", error)

    def time(self, feeds: Mapping[str, np.ndarray], count: int) -> list[float]:
        """Run `count` times; the seconds of each, with handing over inputs and outputs."""
        given, clock, infer = self._checked(feeds), time.perf_counter, self._infer
        seconds = []
        try:
            for _ in range(count):
                start = clock()
                infer(given)
                seconds.append(clock() - start)
                self._note()
        except _FAILURES as error:
            _refuse("OpenVINO failed in a run", error)
        return seconds

    def close(self) -> None:
        """Free the model and write the profile, if one was asked for."""
        if self._request is None:
            return
        self._request = None
        self._places = {}
        if self._profile is not None:
            self._profile.write_text(json.dumps(self._runs), encoding="utf-8")

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _checked(self, feeds: Mapping[str, np.ndarray]) -> list[tuple[Any, np.ndarray]]:
        """Each input's place with our own copy of its array, which the library may then share."""
        wrong = set(feeds) ^ set(self._places)
        if wrong:
            names = ", ".join(map(repr, sorted(wrong)))
            raise MeasurementError(
                f"OpenVINO failed in a run: inputs missing or not the model's: {names}"
            )
        given = []
        for port in self._inputs:
            array = np.array(feeds[port.name], order="C")
            if array.dtype != np.dtype(port.dtype):
                # The library's own words name types as it calls them, and the position only.
                raise MeasurementError(
                    f"OpenVINO failed in a run: input {port.name!r} is {array.dtype}, "
                    f"and the model takes {port.dtype}"
                )
            if port.dtype in _NARROWED:
                _check_range(port.name, array)
            given.append((self._places[port.name], array))
        return given

    def _infer(self, given: Sequence[tuple[Any, np.ndarray]]) -> None:
        """Hand over the inputs without copying, run, and take views of the outputs."""
        for place, array in given:
            self._request.set_tensor(place, self._tensor(array, shared_memory=True))
        self._request.infer(share_outputs=True)

    def _note(self) -> None:
        """Where a profile was asked for, keep what it says of the nodes that the last run ran."""
        if self._profile is None:
            return
        self._runs.append(
            [
                (
                    node.node_name,
                    f"{node.node_type} {_precision(node.exec_type)}",
                    node.real_time.total_seconds() * 1e6,
                )
                for node in self._request.profiling_info
                if node.status.name == "EXECUTED"
            ]
        )


def _settings(target: Target) -> dict[str, str]:
    chosen = dict(DEFAULTS)
    for name, value in target.options:
        if name not in OPTIONS:
            known = ", ".join(sorted(OPTIONS))
            raise OptionError(f"openvino has no option {name!r}; choose from: {known}")
        if value not in OPTIONS[name]:
            allowed = ", ".join(OPTIONS[name])
            raise OptionError(f"option {name} is {value!r}; it must be one of {allowed}")
        chosen[name] = value
    return {**_PLACE, **chosen, "INFERENCE_NUM_THREADS": str(target.threads)}


def _library() -> ModuleType:
    try:
        with _silent():
            import openvino
    except ImportError as error:
        raise MissingExtra(
            f'OpenVINO cannot be imported: {error}; install it: pip install "lissom[openvino]"'
        ) from error
    library: ModuleType = openvino
    return library


@contextmanager
def _silent() -> Iterator[None]:
    """Hide OpenVINO's telemetry while it is imported: it tells Intel so, and leaves files at home.

    Without the package that does it, OpenVINO goes on by itself; no setting turns it off.
    """
    if _TELEMETRY in sys.modules:
        yield  # whoever imported it before us decided
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python's way to refuse an import
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]


@functools.cache
def _core(library: ModuleType) -> Any:
    """The library's entry, one a process: it loads the plugins."""
    return library.Core()


def _port(value: Any) -> Port:
    shape = value.partial_shape
    return Port(
        name=_SINK.sub("", value.node.get_friendly_name()),
        dtype=_TYPES.get(value.element_type.get_type_name(), value.element_type.get_type_name()),
        shape=()
        if shape.rank.is_dynamic
        else tuple(None if size.is_dynamic else size.get_length() for size in shape),
        ranked=not shape.rank.is_dynamic,
    )


def _check_types(path: Path, ports: Sequence[Port]) -> None:
    """Refuse what would crash the process, or what no NumPy array can hold."""
    for port in ports:
        if port.dtype not in _TYPES.values() or port.dtype in {"bfloat16", "int4", "uint4"}:
            raise MeasurementError(
                f"OpenVINO cannot load {path.name}: {port.name!r} is of type {port.dtype}, "
                "which its processor plugin does not take or give"
            )


def _check_range(name: str, array: np.ndarray) -> None:
    limits = np.iinfo(np.int32)
    if array.size and (array.max() > limits.max or array.min() < limits.min):
        raise MeasurementError(
            f"OpenVINO failed in a run: input {name!r} holds integers over 32 bits, "
            "which it would cut off"
        )


def _precision(exec_type: str) -> str:
    """The precision at the end of a kernel's name; "I8" is what OpenVINO calls uint8 there."""
    last = exec_type.rpartition("_")[2]
    return {"I8": "u8"}.get(last, last)


def _refuse(what: str, error: Exception, path: Path | None = None) -> NoReturn:
    """Raise with the library's one line that means something to a reader."""
    text = str(error)
    unknown = re.search(r"No conversion rule found for operations: ([^\n]+)", text)
    if unknown is not None:
        raise MeasurementError(f"{what}: it has no operator {unknown[1].strip()}") from error
    if path is not None:
        text = text.replace(str(path), path.name)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Where in its own sources it failed tells the reader nothing.
    noise = ("Exception from ", "Check '", "FrontEnd API failed", "While validating ", "Shape ")
    said = [line for line in lines if not line.startswith(noise)] or lines
    raise MeasurementError(f"{what}: {said[0] if said else type(error).__name__}") from error
