"""Names that are markup or drive a terminal, in every place that shows them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from lissom.report.wording import visible
from tests.search.trial import write_cnn

ROOT = Path(__file__).parents[2]
ACTS = '"><script>alert(1)</script>\x1b[2J\x9b31m\u202e'
RECIPE = "lissom: 1\nname: half\nsteps:\n- method: quantize.float16\n"


def renamed(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with such a name wherever there is one."""
    ports = {port.name: port.name + ACTS for port in (*proto.graph.input, *proto.graph.output)}
    for node in proto.graph.node:
        node.name += ACTS
        for names in (node.input, node.output):
            names[:] = [ports.get(name, name) for name in names]
    for port in (*proto.graph.input, *proto.graph.output):
        port.name = ports[port.name]
    proto.producer_name = proto.graph.name = proto.doc_string = ACTS
    return proto


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a model, samples and a recipe; the model's file is called so, too."""
    model, samples = write_cnn(tmp_path)
    proto = renamed(onnx.load(model))
    named = f"net{ACTS.replace('/', '_')}.onnx" if os.name == "posix" else "net.onnx"
    onnx.save(proto, tmp_path / named)
    given = np.load(samples)
    np.savez(
        tmp_path / "named.npz",
        allow_pickle=False,
        **{"label": given["label"], proto.graph.input[0].name: given["image"]},
    )
    (tmp_path / "half.yaml").write_text(RECIPE)
    return tmp_path / named


def shown(place: Path, verb: str, *arguments: object, codes: tuple[int, ...] = (0,)) -> str:
    """What a command answers, or its error; nothing on either stream may act."""
    command = [sys.executable, "-m", "lissom", verb, *map(str, arguments), "--store", "store"]
    done = subprocess.run(
        command,
        cwd=place.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        timeout=300,
        check=False,
    )
    answer, told = done.stdout.decode(), done.stderr.decode()
    assert done.returncode in codes, told
    assert visible(answer) == answer
    assert visible(told) == told
    return answer or told


@pytest.mark.slow
def test_nothing_acts_anywhere(place: Path) -> None:
    data = ("--data", "named.npz")
    run = ("compress", place, *data, "--goal", "size", "--recipe", "half.yaml", "-o", "out")
    assert "\\x1b[2J" in shown(place, "inspect", place)
    for more in ((), ("--json",)):
        shown(place, "inspect", place, *more)
        shown(place, "measure", place, *data, *more)
        shown(place, "compare", place, place, *data, *more)
        told = shown(place, *run, *more)
    said = json.loads(told)
    assert json.dumps(ACTS)[1:-1] in json.dumps(said)
    shown(place, "verify", "out/model.onnx", "--against", place, *data, codes=(0, 3))
    shown(place, "apply", "half.yaml", place, *data, "-o", "again.onnx")
    out = place.parent / "out"
    for name in ("result.json", "report.html", "recipe.yaml", "run.json"):
        text = (out / name).read_text(encoding="utf-8")
        assert visible(text) == text, name
    assert "<script>alert" not in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="names of files that are any bytes")
def test_a_file_whose_name_is_no_text_is_refused(place: Path) -> None:
    strange = place.with_name(os.fsdecode(b"net\xff.onnx"))
    strange.write_bytes(place.read_bytes())
    assert "net\\udcff.onnx" in shown(place, "inspect", strange, codes=(2,))
    assert "is not UTF-8" in shown(place, "compress", strange, codes=(2,))
