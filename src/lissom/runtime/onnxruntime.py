"""ONNX Runtime on the processor: sessions, timing, its profile, its offline fusions.

The only file that imports onnxruntime, and only when something is opened. One run uses exactly
`target.threads` threads, runs operators one after another, and its threads sleep between runs, as
they must where other work shares the processor.
"""

import bisect
import functools
import importlib
import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, ClassVar, NoReturn, Self, final

import numpy as np

from lissom.errors import MeasurementError, MissingExtra, OptionError
from lissom.graph.model import Port
from lissom.graph.wire import Caps, read_layout
from lissom.isolate.child import ChildLimits, call
from lissom.runtime import processor
from lissom.runtime._installed import is_installed, version_of
from lissom.runtime._probing import kept_facts
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = [
    "DEFAULTS",
    "OPTIONS",
    "OnnxRuntimeSession",
    "Runtime",
    "session_inputs",
    "write_optimized",
]

_SWITCH = ("0", "1")
_FATAL = 4  # of the library's severities: what it cannot do it also raises

OPTIONS: Mapping[str, tuple[str, ...] | None] = {
    "mlas.enable_gemm_fastmath_arm64_bfloat16": _SWITCH,
    "optimization.disable_specified_optimizers": None,
    "optimization.enable_gelu_approximation": _SWITCH,
    "session.disable_prepacking": _SWITCH,
    "session.disable_quant_qdq": _SWITCH,
    "session.enable_quant_qdq_cleanup": _SWITCH,
    "session.intra_op.allow_spinning": _SWITCH,
    "session.qdq_matmulnbits_accuracy_level": ("0", "1", "2", "3", "4"),
    "session.qdqisint8allowed": _SWITCH,
    "session.set_denormal_as_zero": _SWITCH,
    "session.x64quantprecision": _SWITCH,
}
"""Settings that change speed, memory or rounding: name to allowed values, None for free text.

They are ONNX Runtime's session configuration entries, under its own names.
"""

DEFAULTS: Mapping[str, str] = {"session.intra_op.allow_spinning": "0"}
"""What is set where the target says nothing: threads sleep between runs."""

_ELEMENT_TYPES = {"float": "float32", "double": "float64"}
_BODIES = frozenset({"If", "Loop", "Scan", "SequenceMap"})
_EXTERNAL_DATA_BYTES = 1_800_000_000
_LEAN_BYTES = 1 << 30
_PROBE_SECONDS = 120.0
_OPTIMIZE_LIMITS = ChildLimits(seconds=900.0)


@final
class Runtime:
    """ONNX Runtime with its own processor kernels. See `protocol.Runtime`."""

    name: ClassVar[str] = "onnxruntime"
    defaults: ClassVar[Mapping[str, str]] = DEFAULTS

    def version(self) -> str:
        """The installed version, read without importing the library."""
        return version_of("onnxruntime", _library)

    def available(self) -> bool:
        """Whether the library is installed."""
        return is_installed("onnxruntime")

    def open(
        self, path: Path, target: Target, *, profile: Path | None = None, lean: bool = False
    ) -> "OnnxRuntimeSession":
        """Load a model in this process. See `protocol.Runtime.open`.

        External data is mapped into memory. What makes a copy of it is packing for faster kernels.
        """
        if lean and _outside_bytes(path) > _LEAN_BYTES:
            packing = {"session.disable_prepacking": "1", **dict(target.options)}
            target = replace(target, options=tuple(sorted(packing.items())))
        return OnnxRuntimeSession(path, target, profile)

    def facts(self, store: Store) -> Facts:
        """Measure once per processor and version, in a child, and keep it. See the protocol."""
        entry = "lissom.runtime._onnxruntime_probe:probe"
        return kept_facts(self, entry, store, probe=9, seconds=_PROBE_SECONDS)

    def optimize(self, source: Path, out: Path, target: Target) -> tuple[str, ...]:
        """Fuse GELU and layer normalization offline. See the protocol.

        The library's own load-time optimizations are not written into the file: they are made
        again at each load, cost nothing there, and would hide operators from quantization.
        """
        found = call(
            "lissom.runtime.onnxruntime:write_optimized",
            {"source": str(source.resolve()), "out": str(out.resolve())},
            limits=_OPTIMIZE_LIMITS,
        )
        if found:
            call(
                "lissom.runtime.onnxruntime:session_inputs",
                {"path": str(out.resolve()), "target": target.to_json()},
                limits=_OPTIMIZE_LIMITS,
            )
        return tuple(found)

    def node_times(self, profile: Path) -> list[dict[str, Json]]:
        """Read a profile that a session of this runtime wrote. See the protocol."""
        try:
            events = json.loads(profile.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            _refuse(f"ONNX Runtime's profile {profile.name} cannot be read", error)
        return _own_times(events)


@final
class OnnxRuntimeSession:
    """A loaded model. See `protocol.Session`.

    Raises:
        MeasurementError: The library cannot load the model.
        OptionError: An option of the target is unknown here.
    """

    def __init__(self, path: Path, target: Target, profile: Path | None) -> None:
        library = _library()
        self._profile = profile
        options = _session_options(library, target)
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile.with_suffix(""))
        self._failures = _failures(library)
        try:
            self._session = library.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except self._failures as error:
            _refuse(f"ONNX Runtime cannot load {path.name}", error)
        self._inputs = tuple(_port(value) for value in self._session.get_inputs())
        self._outputs = tuple(_port(value) for value in self._session.get_outputs())

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What must be fed; an unknown rank looks like a scalar here."""
        return self._inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """What is answered."""
        return self._outputs

    def run(
        self, feeds: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Run once; see the protocol."""
        names = list(outputs) if outputs is not None else [port.name for port in self._outputs]
        try:
            values = self._session.run(names, dict(feeds))
        except self._failures as error:
            _refuse("ONNX Runtime failed in a run", error)
        return dict(zip(names, values, strict=True))

    def time(self, feeds: Mapping[str, np.ndarray], count: int) -> list[float]:
        """Run `count` times; the seconds of each."""
        session, given, clock = self._session, dict(feeds), time.perf_counter
        seconds = []
        try:
            for _ in range(count):
                start = clock()
                session.run(None, given)
                seconds.append(clock() - start)
        except self._failures as error:
            _refuse("ONNX Runtime failed in a run", error)
        return seconds

    def close(self) -> None:
        """Free the model and write the profile, if one was asked for."""
        if self._session is None:
            return
        if self._profile is not None:
            # The library adds the time of day to the name that it was given.
            Path(self._session.end_profiling()).replace(self._profile)
        self._session = None

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


def _own_times(events: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Each executed node's own time, from the events of a profile, in order of execution.

    The event of a node with a body (If, Loop) spans those of the nodes in it.
    """
    end = "_kernel_time"
    starts = sorted(event["ts"] for event in events if event["name"] == "model_run")
    nodes = [e for e in events if e.get("cat") == "Node" and e["name"].endswith(end)]
    found: list[dict[str, Json]] = []
    open_bodies: list[tuple[int, dict[str, Json]]] = []
    for event in sorted(nodes, key=lambda e: (e["ts"], -e["dur"])):
        while open_bodies and open_bodies[-1][0] <= event["ts"]:
            open_bodies.pop()
        seconds = event["dur"] * 1e-6
        if open_bodies:
            body = open_bodies[-1][1]
            body["seconds"] = max(0.0, body["seconds"] - seconds)
        node = {
            "run": max(0, bisect.bisect_right(starts, event["ts"]) - 1),
            "node": event["name"].removesuffix(end),
            "op_type": event["args"]["op_name"],
            "seconds": seconds,
        }
        if node["op_type"] in _BODIES:
            open_bodies.append((event["ts"] + event["dur"], node))
        found.append(node)
    return found


def session_inputs(*, path: str, target: Mapping[str, Json]) -> list[str]:
    """Child entry: load a model and name its inputs. What a load that must only succeed asks."""
    with Runtime().open(Path(path), Target.from_json(target)) as session:
        return [port.name for port in session.inputs]


def write_optimized(*, source: str, out: str) -> list[str]:
    """Child entry: write `source` with offline fusions to `out`; answer what was fused, sorted.

    Additions before a normalization are left alone: see `Facts.slow_fusions`. So is attention: as
    one operator it was not measurably faster, and one that holds the projections cannot be
    quantized as matrix products any more.
    """
    library = _library()
    try:
        from onnxruntime.transformers import optimizer
        from onnxruntime.transformers.fusion_options import FusionOptions
    except ImportError as error:
        raise MissingExtra(
            f"ONNX Runtime's offline optimizer cannot be imported: {error}; "
            "reinstall it with: pip install --force-reinstall onnxruntime"
        ) from error
    options = FusionOptions("bert")
    options.enable_attention = False
    options.enable_skip_layer_norm = False
    options.enable_bias_skip_layer_norm = False
    options.enable_embed_layer_norm = False  # would change the inputs' type
    options.enable_shape_inference = False  # took minutes, and changed nothing on what we have seen
    # It follows the patterns of known networks; on others its own code may break.
    failures: tuple[type[Exception], ...] = (
        AttributeError,
        KeyError,
        AssertionError,
        *_failures(library),
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # it may leave files in the current folder
        try:
            before = _operators_of(optimizer, source)
            model = optimizer.optimize_model(
                source, "bert", optimization_options=options, opt_level=0, use_gpu=False
            )
        except failures as error:
            _refuse("ONNX Runtime's offline optimizer failed", error)
        os.chdir(os.path.dirname(out))
        fused = _more(before, _operators(model))
        if fused:
            large = Path(source).stat().st_size > _EXTERNAL_DATA_BYTES
            model.save_model_to_file(out, use_external_data_format=large)
    return fused


def _operators_of(optimizer: ModuleType, source: str) -> Counter[str]:
    onnx_model = importlib.import_module("onnxruntime.transformers.onnx_model")
    return _operators(onnx_model.OnnxModel(optimizer.load_model(source)))


def _operators(model: Any) -> Counter[str]:
    return Counter(node.op_type for node in model.nodes())


def _more(before: Counter[str], after: Counter[str]) -> list[str]:
    """Which operators there are more of: the fused ones; helpers of a fusion are no news."""
    helpers = {"Cast", "Constant", "Identity", "Reshape", "Transpose", "Unsqueeze", "Shape"}
    return sorted(
        f"{name} x{count}" for name, count in (after - before).items() if name not in helpers
    )


def _library() -> ModuleType:
    # Since 1.32 its builds tell Microsoft what they run, unless this is set before it is imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        with processor.unbound():
            import onnxruntime
    except ImportError as error:
        raise MissingExtra(
            f"ONNX Runtime cannot be imported: {error}; install it: pip install onnxruntime"
        ) from error
    return _quiet(onnxruntime)


@functools.cache
def _quiet(library: ModuleType) -> ModuleType:
    library.set_default_logger_severity(_FATAL)
    return library


def _outside_bytes(path: Path) -> int:
    """What a model's weights take outside of its file."""
    return sum(piece.size_bytes for piece in read_layout(path, Caps()).external)


def _session_options(library: ModuleType, target: Target) -> Any:
    options = library.SessionOptions()
    options.intra_op_num_threads = target.threads
    options.inter_op_num_threads = 1
    options.execution_mode = library.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = library.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _FATAL
    for name, value in {**DEFAULTS, **dict(target.options)}.items():
        if name not in OPTIONS:
            known = ", ".join(sorted(OPTIONS))
            raise OptionError(f"onnxruntime has no option {name!r}; choose from: {known}")
        allowed = OPTIONS[name]
        if allowed is not None and value not in allowed:
            raise OptionError(f"option {name} is {value!r}; it must be one of {', '.join(allowed)}")
        options.add_session_config_entry(name, value)
    return options


def _failures(library: ModuleType) -> tuple[type[Exception], ...]:
    """Everything that the library raises: its own classes, and Python's for wrong inputs."""
    states = vars(library.capi.onnxruntime_pybind11_state).values()
    own = [kind for kind in states if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError, TypeError, NotImplementedError, IndexError)


def _refuse(what: str, error: Exception) -> NoReturn:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # It starts with a path of its own source file, which tells the reader nothing.
    first = re.sub(r"\S*/onnxruntime/\S+:\d+ ", "", lines[0]) if lines else type(error).__name__
    raise MeasurementError(f"{what}: {first}") from error


def _port(value: Any) -> Port:
    return Port(
        name=value.name,
        dtype=_type_name(value.type),
        shape=tuple(size if isinstance(size, (int, str)) else None for size in value.shape or ()),
    )


def _type_name(text: str) -> str:
    """Translate "tensor(float)" to "float32", "seq(tensor(float))" to "sequence(float32)"."""
    outer, _, rest = text.partition("(")
    if outer == "tensor":
        inner = rest.removesuffix(")")
        return _ELEMENT_TYPES.get(inner, inner)
    if outer in ("seq", "optional"):
        return f"{'sequence' if outer == 'seq' else outer}({_type_name(rest.removesuffix(')'))})"
    return text
