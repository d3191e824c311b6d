import json

import numpy as np
import pytest
from PIL import Image

from lissom.errors import SamplesError
from lissom.graph.model import Port
from lissom.measure import images as module
from lissom.measure import readers
from lissom.measure.images import Preprocessing, read_images
from lissom.measure.samples import Samples
from lissom.store.store import Store

HOW = Preprocessing(width=2, height=2)
PORT = Port(name="x", dtype="float32", shape=("N", 3, 2, 2))


def image(color=(255, 0, 51), size=(4, 4)):
    return Image.new("RGB", size, color)


def test_a_value_is_pixel_less_mean_times_scale():
    how = Preprocessing(width=2, height=2, mean=(51.0,), scale=(1 / 204,))
    found = how.apply(image())
    assert found.shape == (1, 3, 2, 2)
    assert found[0, :, 0, 0].tolist() == pytest.approx([1.0, -0.25, 0.0])


def test_layout_and_order_of_colours():
    how = Preprocessing(width=2, height=3, layout="NHWC", color="BGR")
    found = how.apply(image())
    assert found.shape == (1, 3, 2, 3)
    assert found.dtype == np.uint8
    assert found[0, 0, 0].tolist() == [51, 0, 255]


def test_gray_has_one_channel():
    how = Preprocessing(width=2, height=2, color="GRAY", scale=(1 / 255,))
    assert how.apply(image((255, 255, 255))).tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]


def test_crop_takes_the_middle():
    wide = Image.new("RGB", (12, 4))
    wide.paste((255, 255, 255), (4, 0, 8, 4))
    assert Preprocessing(width=4, height=4, fit="crop").apply(wide).min() == 255
    assert Preprocessing(width=4, height=4).apply(wide).min() == 0


def test_a_declaration_survives_json():
    how = Preprocessing(width=5, height=4, color="BGR", mean=(1.0, 2.0, 3.0), scale=(0.5,))
    assert Preprocessing.from_json(json.loads(json.dumps(how.to_json()))) == how
    assert Preprocessing.from_json({"width": 5, "height": 4, "mean": 7}).mean == (7.0,)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"width": 2},
        {"width": 2, "height": 2, "colour": "RGB"},
        {"width": 0, "height": 2},
        {"width": 2.5, "height": 2},
        {"width": 10**9, "height": 2},
        {"width": 2, "height": 2, "layout": "HWC"},
        {"width": 2, "height": 2, "mean": [1, 2]},
        {"width": 2, "height": 2, "scale": ["big"]},
        {"width": 2, "height": 2, "scale": float("inf")},
        [1, 2],
    ],
)
def test_a_declaration_that_means_nothing_is_refused(value):
    with pytest.raises(SamplesError, match="preprocessing"):
        Preprocessing.from_json(value)


def test_a_folder_is_read_by_name(tmp_path):
    image((0, 0, 0)).save(tmp_path / "b.png")
    image((255, 255, 255)).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("no image")
    found = list(read_images(tmp_path, (PORT,), Preprocessing(width=2, height=2), tmp_path))
    assert [(name, feed["x"].max(), feed["x"].dtype) for name, feed in found] == [
        ("a.png", 255, np.float32),
        ("b.png", 0, np.float32),
    ]


def test_images_want_a_declaration_and_must_be_images(tmp_path):
    (tmp_path / "a.png").write_bytes(b"not an image")
    with pytest.raises(SamplesError, match="declared preprocessing"):
        read_images(tmp_path, (PORT,), None, tmp_path)
    with pytest.raises(SamplesError, match="has 2"):
        read_images(tmp_path, (PORT, PORT), None, tmp_path)
    with pytest.raises(SamplesError, match=r"a\.png cannot be read"):
        list(read_images(tmp_path, (PORT,), Preprocessing(width=2, height=2), tmp_path))


def test_a_folder_is_decoded_once(tmp_path, monkeypatch):
    folder, store = tmp_path / "images", Store(tmp_path / "store")
    folder.mkdir()
    for name in ("a.png", "b.png"):
        image().save(folder / name)
    calls = []
    decode = module.read_images
    monkeypatch.setattr(readers, "read_images", lambda *given: calls.append(1) or decode(*given))

    def opened(**more):
        return Samples.open(folder, (PORT,), store, preprocessing=HOW, **more)

    first = opened()
    again = opened()
    assert (len(calls), again.fingerprint, again.store) == (1, first.fingerprint, store)
    assert next(again.feeds(again.whole())).inputs["x"].shape == (1, 3, 2, 2)
    labelled = opened(labels=np.array([0, 1]))
    assert labelled.labels
    assert opened(labels=np.array([1, 1])).fingerprint != labelled.fingerprint
    image((1, 2, 3)).save(folder / "b.png")
    assert opened().fingerprint != first.fingerprint
    assert len(calls) == 4
    next((tmp_path / "store" / "objects").rglob("*.bin")).unlink()
    assert opened(labels=np.array([0, 1])).fingerprint != first.fingerprint
    assert len(calls) > 4


def test_a_folder_that_changes_while_it_is_read_is_refused(tmp_path):
    folder, store = tmp_path / "images", Store(tmp_path / "store")
    folder.mkdir()
    image().save(folder / "a.png")

    def changing():
        image((9, 9, 9)).save(folder / "a.png")
        return 1

    with pytest.raises(SamplesError, match="changed while it was read"):
        module.decoded_once(folder, store, {}, changing)
    assert module.decoded_once(folder, store, {}, lambda: 2) == 2
