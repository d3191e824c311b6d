"""The library's verbs, on a tiny model, in this process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import lissom
from lissom import api
from lissom.errors import OptionError, OutputError, RecipeError
from lissom.graph.load import file_facts
from lissom.methods.scope import Scope
from lissom.search import assess
from lissom.search.origin import Origin
from lissom.search.progress import Event
from tests.search.trial import recipe, write_cnn

HALF = recipe("half", "quantize.float16")


@dataclass(frozen=True)
class Place:
    """Where the model, its samples and the store lie."""

    model: Path
    samples: Path
    store: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("api")
    model, samples = write_cnn(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assess, "SECONDS", 0.05)
        patch.setattr(assess, "ATTEMPTS", 1)
        yield Place(model=model, samples=samples, store=folder / "store")


def settings(place: Place, **changes: object) -> lissom.Settings:
    given: dict[str, object] = {"recipe": HALF, "store": place.store, **changes}
    return lissom.Settings(**given)  # type: ignore[arg-type]


def test_compress_writes_everything_and_answers_it(place: Place, tmp_path: Path) -> None:
    seen: list[Event] = []
    result = lissom.compress(
        place.model,
        place.samples,
        limits=lissom.Limits(goal="size", max_drop=0.02),
        out=tmp_path / "out",
        settings=settings(place),
        progress=seen.append,
    )
    assert result.choice.name == "half"
    assert result.choice.met
    assert seen[0].stage == "load"
    assert seen[-1].stage == "done"
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written["chosen"] == "half"
    assert written["finished"] is True
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!")
    assert lissom.Recipe.load(tmp_path / "out" / "recipe.yaml") == HALF
    assert result.delivered == tmp_path / "out" / "model.onnx"
    onnx.checker.check_model(result.delivered)


def test_apply_gives_the_delivered_bytes_again(place: Place, tmp_path: Path) -> None:
    result = lissom.compress(
        place.model,
        place.samples,
        limits=lissom.Limits(goal="size"),
        out=tmp_path / "out",
        settings=settings(place),
    )
    assert result.delivered is not None
    again = lissom.apply(
        tmp_path / "out" / "recipe.yaml",
        place.model,
        out=tmp_path / "again.onnx",
        store=place.store,
    )
    assert again.path.read_bytes() == result.delivered.read_bytes()
    with pytest.raises(OutputError, match="exists"):
        lissom.apply(HALF, place.model, out=again.path, store=place.store)
    with pytest.raises(OutputError, match="is not a folder"):
        lissom.apply(HALF, place.model, out=tmp_path / "no" / "x.onnx", store=place.store)


def test_samples_as_arrays_and_feeds(place: Place, tmp_path: Path) -> None:
    with np.load(place.samples) as loaded:
        images, labels = loaded["image"], loaded["label"]
    plain = lissom.measure(place.model, {"image": images, "label": labels}, store=place.store)
    feeds = ({"image": image[None]} for image in images)
    parted = lissom.measure(
        place.model, lissom.Data(source=feeds, labels=labels), store=place.store
    )
    assert plain.quality is not None
    assert parted.quality is not None
    assert parted.quality.score == plain.quality.score


def test_a_dry_run_says_what_would_be_tried_and_touches_nothing(
    place: Place, tmp_path: Path
) -> None:
    result = lissom.compress(
        place.model,
        place.samples,
        out=tmp_path / "out",
        settings=settings(place, recipe=None, dry_run=True),
    )
    reasons = {one.name: one.reason for one in result.not_tried}
    assert reasons["static-mse"] == "dry run: quantize.static(ranges=mse)"
    assert result.candidates == ()
    assert not (tmp_path / "out").exists()


def test_without_samples_quality_is_never_claimed(place: Place, tmp_path: Path) -> None:
    result = lissom.compress(
        place.model,
        limits=lissom.Limits(goal="size", max_drop=0.01),
        out=tmp_path / "out",
        settings=settings(place, recipe=recipe("int8", "quantize.weight_only", bits=8)),
    )
    assert result.choice.name == "original"
    assert "not measured" in result.choice.reasons[0]
    assert "Quality was not measured" in result.notes[0]
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written["quality"] is None
    assert (tmp_path / "out" / "model.onnx").read_bytes() == place.model.read_bytes()


def test_a_scope_that_names_nothing_is_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="/absent"):
        lissom.compress(
            place.model,
            out=tmp_path / "out",
            settings=settings(place, scope=Scope(exclude=("/absent/*",))),
        )
    assert not (tmp_path / "out").exists()


def test_another_run_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    with pytest.raises(OutputError, match="not a run of ours"):
        lissom.compress(place.model, out=tmp_path / "out", settings=settings(place))


def test_load_gives_the_canonical_model(place: Place) -> None:
    model = lissom.load(place.model, store=place.store)
    assert "BatchNormalization" not in model.op_counts
    assert model.inputs[0].name == "image"


def test_inspect_and_compare(place: Place) -> None:
    assert lissom.inspect(place.model, store=place.store).macs is not None
    found = lissom.compare(place.model, place.model, place.samples, store=place.store)
    assert found.quality is not None
    assert found.quality.drop == 0


def test_images_leave_their_preprocessing_in_the_recipe(place: Place, tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(40):
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    result = lissom.compress(
        place.model,
        lissom.Data(
            source=tmp_path / "images", preprocessing={"width": 8, "height": 8, "scale": 0.01}
        ),
        limits=lissom.Limits(goal="size", max_drop=1.0),
        out=tmp_path / "out",
        settings=settings(place, recipe=recipe("static", "quantize.static")),
    )
    assert result.choice.name == "static"
    written = lissom.Recipe.load(tmp_path / "out" / "recipe.yaml")
    assert written.preprocessing is not None
    again = lissom.apply(
        written, place.model, tmp_path / "images", out=tmp_path / "again.onnx", store=place.store
    )
    assert result.delivered is not None
    assert again.path.read_bytes() == result.delivered.read_bytes()


def test_a_recipe_cannot_take_the_original_s_name(place: Place, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="another name"):
        lissom.compress(
            place.model,
            out=tmp_path / "out",
            settings=settings(place, recipe=recipe("original", "quantize.float16")),
        )


def test_a_recipe_file_must_be_one(place: Place, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("lissom: 1\nsteps: [{method: no.such}]\n")
    with pytest.raises(RecipeError, match=r"no\.such"):
        lissom.apply(tmp_path / "r.yaml", place.model, out=tmp_path / "o.onnx", store=place.store)


def test_the_measurement_chooses_a_place_and_the_folder_says_which(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = lissom.Places(first=lissom.Target(), threads=(2,))
    result = lissom.compress(
        place.model,
        place.samples,
        limits=lissom.Limits(max_drop=1.0),
        target=wide,
        out=tmp_path / "out",
        settings=settings(place),
    )
    names = [one.name for one in result.candidates]
    assert names == ["half", "original@2-threads", "half@2-threads"]
    two = result.candidate("half@2-threads")
    assert (two.target.threads, two.recipe.name) == (2, "half")
    assert two.file == result.candidate("half").file
    assert two.failed is None
    kept = result.candidate("original@2-threads")
    assert kept.sha256 == result.model.sha256
    asked: list[lissom.Target] = []

    def measured(opened: Any, *_: object) -> None:
        asked.append(opened.target)

    written = json.loads((tmp_path / "out" / "result.json").read_text())
    monkeypatch.setattr(api, "measure_model", measured)
    for entry in written["front"]:
        if entry["path"] is None:
            continue
        lissom.measure(tmp_path / "out" / entry["path"], store=place.store)
        assert asked[-1].threads == entry["target"]["threads"]
        assert dict(asked[-1].options) == entry["target"]["options"]
        lissom.measure(
            tmp_path / "out" / entry["path"], target=lissom.Target(threads=3), store=place.store
        )
        assert asked[-1].threads == 3
    lissom.measure(place.model, store=place.store)
    assert asked[-1].threads == 1


def test_what_was_delivered_is_compared_as_it_was_measured(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = lissom.Target(threads=2)

    def origin(path: Path, sha256: str) -> Origin | None:
        if path == place.model:
            return None
        return Origin(
            folder=tmp_path, name="fast", original_sha256=file_facts(place.model).sha256,
            target=there, reference=lissom.Target(batch=2), goal="speed", limits=lissom.Limits(),
            drop=None, speedup=None, fingerprint=None, metric=None, original_quality=None,
        )  # fmt: skip

    asked: list[tuple[lissom.Target, object]] = []

    def compared(opened: Any, *_: object, target: object) -> None:
        asked.append((opened.target, target))

    other = tmp_path / "other.onnx"
    other.write_bytes(place.model.read_bytes())
    monkeypatch.setattr(api, "origin_of", origin)
    monkeypatch.setattr(api, "compare_models", compared)
    lissom.compare(place.model, other, store=place.store)
    assert (asked[0][0].batch, asked[0][1]) == (2, there)
    lissom.compare(place.model, other, store=place.store, target=lissom.Target(threads=3))
    assert asked[1][0].threads == 3
    assert asked[1][1] == lissom.Target(threads=3)


def test_what_was_delivered_is_verified_on_new_samples(place: Place, tmp_path: Path) -> None:
    result = lissom.compress(
        place.model,
        place.samples,
        limits=lissom.Limits(goal="size", max_drop=0.02),
        out=tmp_path / "out",
        settings=settings(place),
    )
    assert result.chosen.certificates[0].verdict == "too few samples"
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    (entry,) = [one for one in written["front"] if one["name"] == written["chosen"]]
    assert entry["certificates"][0]["sentence"].startswith("Too few samples")
    assert result.delivered is not None
    new = np.random.default_rng(7).standard_normal((300, 3, 8, 8)).astype(np.float32)
    both = np.concatenate([new, np.load(place.samples)["image"]])
    found = lissom.verify(result.delivered, place.model, {"image": both}, store=place.store)
    assert isinstance(found, lissom.Verification)
    assert (found.count, found.left_out) == (300, 120)
    assert found.limits.max_drop == 0.02
    assert found.held
    again = lissom.verify(
        result.delivered,
        place.model,
        place.samples,
        limits=lissom.Limits(max_drop=0.001),
        target=lissom.Target(threads=2),
        store=place.store,
    )
    assert again.verdict == "too few samples"
    assert again.target.threads == 2
    assert "nothing new" in again.notes[0]


def test_only_what_is_certified_is_delivered_where_that_is_asked(
    place: Place, tmp_path: Path
) -> None:
    result = lissom.compress(
        place.model,
        place.samples,
        limits=lissom.Limits(goal="size", max_drop=0.02, certified=True),
        out=tmp_path / "out",
        settings=settings(place),
    )
    assert (result.choice.name, result.choice.met) == ("original", True)
    assert "more samples would decide it" in result.choice.reasons[0]
    easy = lissom.compress(
        place.model,
        place.samples,
        limits=lissom.Limits(goal="size", max_drop=0.9, certified=True),
        out=tmp_path / "easy",
        settings=settings(place),
    )
    assert easy.choice.name == "half"
    assert easy.chosen.certificates[0].held


def test_apply_writes_over_nothing(place: Place, tmp_path: Path) -> None:
    (tmp_path / "theirs.onnx").write_bytes(b"precious")
    (tmp_path / "link.onnx").symlink_to(tmp_path / "absent")
    recipe = lissom.Recipe(name="nothing", steps=())
    for name in ("theirs.onnx", "link.onnx"):
        with pytest.raises(OutputError, match="exists"):
            lissom.apply(recipe, place.model, out=tmp_path / name, store=place.store)
    assert (tmp_path / "theirs.onnx").read_bytes() == b"precious"
    assert not (tmp_path / "absent").exists()
