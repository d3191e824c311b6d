"""How to run the delivered model: whole programs with the options that it was measured with.

Each program loads the model, makes an input of the right types and sizes, and runs once: it works
as it stands, and the place to put real data is marked. Nothing from the model file goes into the
code (names are data from strangers, and this code is copied and run): inputs are asked of the
loaded model instead. Values of ours (threads, options) are written as literals of the language.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lissom.report import wording
from lissom.report.schema import Document, TargetEntry
from lissom.runtime import registry

__all__ = ["Program", "data_file", "delivered_target", "programs", "target_words"]

MODEL_FILE: Final = "model.onnx"


@dataclass(frozen=True, slots=True)
class Program:
    """A program to copy: its language, and its lines."""

    language: str
    code: str


def delivered_target(document: Document) -> TargetEntry:
    """Where the delivered model was measured: the chosen entry's target, else the run's."""
    for entry in (*document["front"], *document["others"]):
        if entry["name"] == document["chosen"]:
            return entry["target"]
    return document["target"]


def target_words(target: TargetEntry, *, whole: bool = False) -> str:
    """Runtime, threads and options in a few words.

    Args:
        target: where a model was measured.
        whole: also the options that are as always, not only those that were chosen.
    """
    usual = {} if whole else defaults(target["runtime"])
    options = [
        f"{key}={value}"
        for key, value in sorted(target["options"].items())
        if usual.get(key) != value
    ]
    threads = wording.counted(target["threads"], "thread")
    return ", ".join([target["runtime"], threads, *options])


def defaults(runtime: str) -> Mapping[str, str]:
    """The settings of a runtime where nothing was chosen; none for one that is not known here."""
    return registry.load(runtime).defaults if runtime in registry.runtimes() else {}


def data_file(document: Document) -> str | None:
    """The file that must lie beside the delivered model; None where the model is one file."""
    for entry in (*document["front"], *document["others"]):
        if entry["name"] == document["chosen"]:
            return entry.get("data_file")
    return None


def programs(target: TargetEntry, file_name: str | None = None) -> list[Program]:
    """The same run in Python and C++.

    Args:
        target: where the model was measured.
        file_name: of the delivered model; a name that no literal holds as it is becomes
            `model.onnx`, as does None.

    Returns:
        Nothing for a runtime that this file does not know.
    """
    name = _quoted(file_name or MODEL_FILE)
    if file_name is not None and name != f'"{file_name}"':
        name = _quoted(MODEL_FILE)
    settings = {**defaults(target["runtime"]), **target["options"]}
    if target["runtime"] == "onnxruntime":
        python, cpp = _ONNXRUNTIME_PYTHON, _ONNXRUNTIME_CPP
        lines = (
            _each(settings, "options.add_session_config_entry({}, {})\n"),
            _each(settings, "    options.AddConfigEntry({}, {});\n"),
        )
    elif target["runtime"] == "openvino":
        python, cpp = _OPENVINO_PYTHON, _OPENVINO_CPP
        lines = _each(settings, "    {}: {},\n"), _each(settings, "        {{{}, {}}},\n")
    else:
        return []
    return [
        Program("Python", _filled(python, target, name, lines[0])),
        Program("C++", _filled(cpp, target, name, lines[1])),
    ]


def _filled(text: str, target: TargetEntry, name: str, settings: str) -> str:
    """A program with its values in place, put in at once: no value is searched for another."""
    values = {
        "model": name,
        "version": _version(target),
        "threads": str(target["threads"]),
        "batch": str(target["batch"]),
        "settings": settings,
    }
    return re.sub("@([a-z]+)@", lambda found: values[found[1]], text)


def _each(settings: dict[str, str], line: str) -> str:
    """A line for each setting, by name."""
    return "".join(line.format(_quoted(key), _quoted(settings[key])) for key in sorted(settings))


def _version(target: TargetEntry) -> str:
    """A version that is safe inside a comment: one line, no more than a version's characters."""
    return "".join(one for one in target["version"] if one.isalnum() or one in ".+-")[:40]


def _quoted(text: str) -> str:
    """A string literal that Python and C++ read alike: ASCII, every other character escaped."""
    return json.dumps("".join(one if " " <= one <= "~" else "?" for one in text))


_ONNXRUNTIME_PYTHON: Final = """\
# pip install onnxruntime    (measured with @version@)
import numpy as np
import onnxruntime as ort

options = ort.SessionOptions()
options.intra_op_num_threads = @threads@
options.inter_op_num_threads = 1
options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
@settings@session = ort.InferenceSession(@model@, options, providers=["CPUExecutionProvider"])

types = {"tensor(float)": "float32", "tensor(double)": "float64"}
feeds = {}
for port in session.get_inputs():
    dtype = types.get(port.type, port.type.removeprefix("tensor(").removesuffix(")"))
    sizes = [size if isinstance(size, int) else @batch@ for size in port.shape]
    feeds[port.name] = np.zeros(sizes, dtype)  # your data goes here

outputs = session.run(None, feeds)
for port, output in zip(session.get_outputs(), outputs):
    print(port.name, output.shape, output.dtype)
"""

_ONNXRUNTIME_CPP: Final = """\
// c++ -std=c++17 run.cpp -I ORT/include -L ORT/lib -lonnxruntime -o run
// ORT: the folder of ONNX Runtime's C/C++ package (measured with @version@)
#include <iostream>
#include <vector>

#include <onnxruntime_cxx_api.h>

int main() {
    Ort::Env env;
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(@threads@);
    options.SetInterOpNumThreads(1);
    options.SetExecutionMode(ORT_SEQUENTIAL);
@settings@    Ort::Session session(env, ORT_TSTR(@model@), options);

    Ort::AllocatorWithDefaultOptions allocator;
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    std::vector<Ort::AllocatedStringPtr> names;
    std::vector<const char*> inputs, outputs;
    std::vector<std::vector<int64_t>> buffers;
    std::vector<Ort::Value> values;
    for (size_t i = 0; i < session.GetInputCount(); ++i) {
        names.push_back(session.GetInputNameAllocated(i, allocator));
        inputs.push_back(names.back().get());
        const auto info = session.GetInputTypeInfo(i);
        const auto tensor = info.GetTensorTypeAndShapeInfo();
        std::vector<int64_t> shape = tensor.GetShape();
        size_t count = 1;
        for (auto& size : shape) count *= size = size < 0 ? @batch@ : size;
        buffers.emplace_back(count);  // zeros, 8 bytes each: your data goes here, in its own type
        values.push_back(Ort::Value::CreateTensor(memory, buffers.back().data(), 8 * count,
                                                  shape.data(), shape.size(),
                                                  tensor.GetElementType()));
    }
    for (size_t i = 0; i < session.GetOutputCount(); ++i) {
        names.push_back(session.GetOutputNameAllocated(i, allocator));
        outputs.push_back(names.back().get());
    }
    const auto answers = session.Run(Ort::RunOptions{}, inputs.data(), values.data(), values.size(),
                                     outputs.data(), outputs.size());
    for (size_t i = 0; i < answers.size(); ++i) {
        std::cout << outputs[i];
        for (const auto size : answers[i].GetTensorTypeAndShapeInfo().GetShape()) {
            std::cout << ' ' << size;
        }
        std::cout << '\\n';
    }
}
"""

_OPENVINO_PYTHON: Final = """\
# pip install openvino    (measured with @version@)
import numpy as np
import openvino as ov

settings = {
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": "1",
    "INFERENCE_NUM_THREADS": "@threads@",
@settings@}
model = ov.Core().compile_model(@model@, "CPU", settings)

feeds = {}
for port in model.inputs:
    shape = port.partial_shape
    sizes = [@batch@ if size.is_dynamic else size.get_length() for size in shape]
    feeds[port.any_name] = np.zeros(sizes, port.element_type.to_dtype())  # your data goes here

outputs = model(feeds)
for port in model.outputs:
    print(port.any_name, outputs[port].shape, outputs[port].dtype)
"""

_OPENVINO_CPP: Final = """\
// c++ -std=c++17 run.cpp -I OV/include -L OV/lib -lopenvino -o run
// OV: the folder of OpenVINO's runtime (measured with @version@)
#include <cstring>
#include <iostream>

#include <openvino/openvino.hpp>

int main() {
    const ov::AnyMap settings = {
        {"PERFORMANCE_HINT", "LATENCY"},
        {"NUM_STREAMS", "1"},
        {"INFERENCE_NUM_THREADS", "@threads@"},
@settings@    };
    ov::Core core;
    ov::CompiledModel model = core.compile_model(@model@, "CPU", settings);
    ov::InferRequest request = model.create_infer_request();

    for (const auto& port : model.inputs()) {
        ov::Shape shape;
        for (const auto& size : port.get_partial_shape()) {
            shape.push_back(size.is_dynamic() ? @batch@ : size.get_length());
        }
        ov::Tensor tensor(port.get_element_type(), shape);
        std::memset(tensor.data(), 0, tensor.get_byte_size());  // your data
        request.set_tensor(port, tensor);
    }
    request.infer();
    for (const auto& port : model.outputs()) {
        std::cout << port.get_any_name() << ' ' << request.get_tensor(port).get_shape() << '\\n';
    }
}
"""
