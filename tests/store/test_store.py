"""The store: what goes in comes out, damage is noticed, several may use it at once."""

import errno
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lissom.errors import DamagedObject, StoreError
from lissom.store import locks
from lissom.store import store as module
from lissom.store.refs import ArrayRef, FileRef
from lissom.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def objects(store: Store) -> list[Path]:
    return [path for path in (store.root / "objects").rglob("*") if path.is_file()]


def damage(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


@settings(max_examples=40, deadline=None)
@given(
    array=hnp.arrays(
        dtype=st.sampled_from([np.float32, np.float64, np.float16, np.int8, np.uint8, np.int64]),
        shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    )
)
def test_arrays_come_back_bit_for_bit(
    array: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store(tmp_path_factory.mktemp("s"))
    ref = store.put_array(array)
    found = store.array(ref)
    assert found.tobytes() == np.asarray(array).tobytes()
    assert (
        (found.shape, found.dtype.name) == (ref.shape, ref.dtype) == (array.shape, array.dtype.name)
    )
    assert not found.flags.writeable


def test_any_memory_layout(store: Store) -> None:
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for array in (base.T, base[:, ::2], np.asfortranarray(base), base > 3, base.astype(bool)):
        np.testing.assert_array_equal(store.array(store.put_array(array)), array)


def test_same_content_is_kept_once(store: Store) -> None:
    first = store.put_array(np.ones(3))
    assert store.put_array(np.ones(3)) == first
    assert len(objects(store)) == 1
    assert store.put_array(np.ones((3, 1))) != first


def test_named_arrays(store: Store) -> None:
    given = {"a": np.ones((2, 2), np.int8), "b.c": np.zeros(0, np.float32)}
    found = store.arrays(store.put_arrays(given))
    assert set(found) == set(given)
    assert found["a"].dtype == np.int8
    assert found["b.c"].shape == (0,)


def test_arrays_without_a_form_are_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot be kept"):
        store.put_array(np.asarray(["text"]))
    with pytest.raises(StoreError, match="object"):
        store.put_array(np.asarray([None]))
    named = store.put_arrays({"x": np.ones(1)})
    with pytest.raises(DamagedObject, match="holds no single array"):
        store.array(ArrayRef(sha256=named, shape=(1,), dtype="float64"))


def test_files_are_copies(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "m.onnx"
    source.write_bytes(b"one")
    ref = store.put_file(source, ".onnx")
    source.write_bytes(b"two")
    kept = store.file(ref)
    assert kept.read_bytes() == b"one"
    assert kept.name == ref.sha256 + ".onnx"
    assert ref.size_bytes == 3
    assert kept.stat().st_nlink == 1
    with pytest.raises(ValueError, match="suffix"):
        store.put_file(source, "/../x")
    with pytest.raises(StoreError, match="No such file"):
        store.put_file(tmp_path / "absent", ".onnx")


def test_damage_is_noticed_and_mended_by_putting_again(store: Store, tmp_path: Path) -> None:
    ref = store.put_array(np.arange(5))
    damage(objects(store)[0])
    with pytest.raises(DamagedObject, match="does not have the hash"):
        store.array(ref)
    with pytest.raises(DamagedObject, match="is gone"):
        store.array(ref)
    assert store.put_array(np.arange(5)) == ref
    damage(objects(store)[0])
    store.put_array(np.arange(5))
    np.testing.assert_array_equal(store.array(ref), np.arange(5))


def test_step_records_are_readable(store: Store) -> None:
    key = store.key("probe", {"b": 1, "a": [2]})
    assert store.get_json(key) is None
    store.put_json(key, {"ratio": 0.5}, kind="probe", inputs={"b": 1, "a": [2]})
    assert store.get_json(key) == {"ratio": 0.5}
    assert key == store.key("probe", {"a": (2,), "b": 1}) != store.key("probe2", {"a": [2], "b": 1})
    record = json.loads((store.root / "steps" / key[:2] / f"{key}.json").read_text())
    assert record["kind"] == "probe"
    assert record["inputs"] == {"a": [2], "b": 1}
    assert record["value"] == {"ratio": 0.5}
    with pytest.raises(ValueError, match="JSON"):
        store.put_json(key, float("inf"), kind="probe", inputs={})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"value": 1}', '{"inputs":1,"value":2,"sha256":"x"}']
)
def test_a_damaged_record_was_never_made(store: Store, text: str) -> None:
    key = store.key("probe", 1)
    store.put_json(key, 5, kind="probe", inputs=1)
    path = store.root / "steps" / key[:2] / f"{key}.json"
    path.write_text(text)
    assert store.get_json(key) is None
    assert not path.exists()


def test_names_are_checked(store: Store) -> None:
    with pytest.raises(StoreError, match="64 hexadecimal"):
        store.get_json("../../etc/passwd")
    with pytest.raises(StoreError, match="64 hexadecimal"):
        store.arrays("x")


def test_remember_computes_once(store: Store) -> None:
    calls: list[int] = []

    def compute() -> dict[str, object]:
        calls.append(1)
        return {"pair": (1, 2)}

    assert store.remember("k", {"x": 1}, compute) == {"pair": [1, 2]}
    assert Store(store.root).remember("k", {"x": 1}, compute) == {"pair": [1, 2]}
    assert len(calls) == 1
    store.remember("k", {"x": 2}, compute)
    assert len(calls) == 2
    assert not list((store.root / "locks").iterdir())


def test_an_error_is_passed_on_and_nothing_kept(store: Store) -> None:
    def fail() -> None:
        raise OSError("mine")

    with pytest.raises(OSError, match="mine"):
        store.remember("k", 1, fail)
    assert store.remember("k", 1, lambda: 3) == 3


def test_asking_for_its_own_answer_is_refused_not_waited_for(store: Store) -> None:
    with pytest.raises(StoreError, match="its own answer"):
        store.remember("k", 1, lambda: store.remember("k", 1, lambda: 2))
    assert store.remember("k", 1, lambda: store.remember("other", 1, lambda: 2)) == 2


def test_an_answer_whose_object_is_gone_is_made_again(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "m.onnx"
    source.write_bytes(b"bytes")

    def compute() -> dict[str, object]:
        return {
            "files": [store.put_file(source, ".onnx").to_json()],
            "array": store.put_array(np.ones(2)).to_json(),
        }

    first = store.remember("k", 1, compute)
    for path in objects(store):
        path.unlink()
        assert store.get_json(store.key("k", 1)) is None
        assert store.remember("k", 1, compute) == first
    store.file(FileRef.from_json(first["files"][0]))
    assert store.array(ArrayRef.from_json(first["array"])).tolist() == [1, 1]


def test_an_answer_whose_object_is_damaged_is_made_again(store: Store, tmp_path: Path) -> None:
    def compute() -> dict[str, object]:
        return store.put_array(np.arange(9.0)).to_json()

    first = store.remember("k", 1, compute)
    (path,) = objects(store)
    for spoil in (damage, Path.unlink, lambda one: one.unlink() or one.symlink_to(tmp_path)):
        spoil(path)
        fresh = Store(store.root)
        assert fresh.get_json(fresh.key("k", 1)) is None
        assert fresh.remember("k", 1, compute) == first
        assert fresh.array(ArrayRef.from_json(first)).tolist() == list(range(9))


def test_what_the_dead_held_is_removed_and_what_the_living_hold_is_not(store: Store) -> None:
    (store.root / "locks" / "dead.lock").touch()
    with locks.held(store.root / "locks" / "living.lock"), store.scratch() as folder:
        (store.root / "scratch" / "dead").mkdir()
        store.tidy()
        assert folder.is_dir()
        assert [path.name for path in (store.root / "locks").iterdir()] == ["living.lock"]
    assert not list((store.root / "scratch").iterdir())


def test_a_disk_that_becomes_full_inside_scratch_is_the_stores(store: Store) -> None:
    with pytest.raises(StoreError, match="No space left; free some room"), store.scratch():
        raise OSError(errno.ENOSPC, "No space left")
    with pytest.raises(IsADirectoryError), store.scratch() as folder:
        folder.open("wb")
    assert not list((store.root / "scratch").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes")
def test_arrays_that_do_not_fit_on_the_disk(store: Store) -> None:
    script = (
        f"import resource, sys; sys.path.insert(0, {str(Path(module.__file__).parents[2])!r})\n"
        "import numpy as np\nfrom pathlib import Path\nfrom lissom.store.store import Store\n"
        f"store = Store(Path({str(store.root)!r}))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: store.put_array(np.ones(10_000))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout
    assert told.startswith("StoreError the store cannot be used")
    assert "too large" in told
    assert not objects(store)


def test_a_record_may_name_a_file_whose_name_is_no_text(store: Store) -> None:
    store.remember("k", {"name": "\udcff"}, lambda: {"name": "\udcff"})
    assert store.get_json(store.key("k", {"name": "\udcff"})) == {"name": "\udcff"}


def test_threads_and_processes_compute_once(store: Store, tmp_path: Path) -> None:
    source = Path(module.__file__).parents[2]
    log = tmp_path / "log"
    script = (
        f"import sys, time; sys.path.insert(0, {str(source)!r})\n"
        "from pathlib import Path\nfrom lissom.store.store import Store\n"
        f"store, log = Store(Path({str(store.root)!r})), Path({str(log)!r})\n"
        "def compute():\n"
        "    with log.open('a') as out: out.write('x')\n"
        "    time.sleep(0.5); return 7\n"
        "print(store.remember('slow', [1], compute))\n"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(3)
    ]
    assert [other.communicate()[0] for other in others] == [b"7\n"] * 3
    assert log.read_text() == "x"

    calls: list[int] = []
    threads = [
        threading.Thread(target=lambda: store.remember("t", 1, lambda: calls.append(1) or 1))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert calls == [1]


def test_scratch_is_private_and_removed(store: Store) -> None:
    with store.scratch() as one, store.scratch() as two:
        assert one != two
        (one / "deep").mkdir()
        (one / "deep" / "file").write_text("x")
        Store(store.root)  # another opener leaves the living alone
        assert (one / "deep" / "file").exists()
    with pytest.raises(RuntimeError, match="mine"), store.scratch() as three:
        raise RuntimeError("mine")
    assert not three.exists()
    assert not list((store.root / "scratch").iterdir())


def test_scratch_of_the_dead_is_removed_on_opening(store: Store) -> None:
    left = store.root / "scratch" / "0123"
    left.mkdir()
    (left / "file").write_text("x")
    left.with_suffix(".lock").touch()
    (store.root / "scratch" / "4567").mkdir()
    Store(store.root)
    assert not list((store.root / "scratch").iterdir())


def test_a_folder_of_another_format_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "s")
    (tmp_path / "s" / "store.json").write_text('{"format": 99}')
    with pytest.raises(StoreError, match="format 99"):
        Store(tmp_path / "s")
    (tmp_path / "s" / "store.json").write_text("no json")
    with pytest.raises(StoreError, match="not a store"):
        Store(tmp_path / "s")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        Store(tmp_path / "file")
