"""How to run the delivered model: short programs with the options that it was measured with.

Nothing from the model file goes into the code (names are data from strangers, and this code is
copied and run): inputs are asked of the loaded model instead. Values of ours (threads, options)
are written as literals of the language.
"""

import json
from dataclasses import dataclass
from typing import Final

from lissom.report.schema import Document, TargetEntry

__all__ = ["Program", "delivered_target", "programs"]

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


def programs(target: TargetEntry, file_name: str | None = None) -> list[Program]:
    """The same run in Python and C++.

    Args:
        target: where the model was measured.
        file_name: of the delivered model; a name that no literal holds as it is becomes
            `model.onnx`, as does None.

    Returns:
        Nothing for a runtime that this file does not know.
    """
    if target["runtime"] != "onnxruntime":
        return []
    name = _quoted(file_name or MODEL_FILE)
    if file_name is not None and name != f'"{file_name}"':
        name = _quoted(MODEL_FILE)
    return [Program("Python", _python(target, name)), Program("C++", _cpp(target, name))]


def _python(target: TargetEntry, name: str) -> str:
    """ONNX Runtime in Python."""
    entries = "".join(
        f"options.add_session_config_entry({_quoted(key)}, {_quoted(value)})\n"
        for key, value in sorted(_entries(target).items())
    )
    version = _version(target)
    return f"""import onnxruntime as ort{version and f"  # measured with {version}"}

options = ort.SessionOptions()
options.intra_op_num_threads = {target["threads"]}
options.inter_op_num_threads = 1
options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
{entries}session = ort.InferenceSession(
    {name}, options, providers=["CPUExecutionProvider"]
)
for port in session.get_inputs():
    print(port.name, port.shape, port.type)  # what to feed: the same as before

feeds = {{...}}  # input name -> NumPy array, batch {target["batch"]}
outputs = session.run(None, feeds)
"""


def _cpp(target: TargetEntry, name: str) -> str:
    """ONNX Runtime in C++."""
    entries = "".join(
        f"options.AddConfigEntry({_quoted(key)}, {_quoted(value)});\n"
        for key, value in sorted(_entries(target).items())
    )
    return f"""#include <onnxruntime_cxx_api.h>

Ort::Env env;
Ort::SessionOptions options;
options.SetIntraOpNumThreads({target["threads"]});
options.SetInterOpNumThreads(1);
options.SetExecutionMode(ORT_SEQUENTIAL);
{entries}Ort::Session session(env, ORT_TSTR({name}), options);

// feed the same inputs as before, batch {target["batch"]}
auto outputs = session.Run(Ort::RunOptions{{}}, input_names, inputs, input_count,
                           output_names, output_count);
"""


def _entries(target: TargetEntry) -> dict[str, str]:
    """The session's settings beyond threads; no spinning between runs, as it was measured."""
    return {"session.intra_op.allow_spinning": "0", **target["options"]}


def _version(target: TargetEntry) -> str:
    """A version that is safe inside a comment: one line, no more than a version's characters."""
    return "".join(one for one in target["version"] if one.isalnum() or one in ".+-")[:40]


def _quoted(text: str) -> str:
    """A string literal that Python and C++ read alike: ASCII, every other character escaped."""
    return json.dumps("".join(one if " " <= one <= "~" else "?" for one in text))
