import io
import pickle
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from lissom.errors import SamplesError
from lissom.graph.model import Port
from lissom.measure import readers
from lissom.measure.images import Preprocessing
from lissom.measure.readers import feeds_of, read_npy

X = Port(name="x", dtype="float32", shape=("N", 3))
Y = Port(name="y", dtype="float32", shape=("N", 3))


def read(source, tmp_path, ports=(X,)):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return list(feeds_of(source, ports, scratch, None))


def npy_bytes(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def header(shape, descr="<f4"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def test_stacked_arrays_are_cut_by_rank(tmp_path):
    x = np.arange(12, dtype=np.float32)
    flat = read({"x": x.reshape(4, 3)}, tmp_path)
    whole = read({"x": x.reshape(2, 2, 3)}, tmp_path)
    assert [feed["x"].shape for _, feed in flat] == [(1, 3)] * 4
    assert [feed["x"].shape for _, feed in whole] == [(2, 3)] * 2
    assert flat[3][0] == "samples, sample 3"


def test_compressed_and_column_major_members(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.savez_compressed(tmp_path / "s.npz", x=np.asfortranarray(x), y=x)
    found = read(tmp_path / "s.npz", tmp_path, (X, Y))
    np.testing.assert_array_equal(np.concatenate([feed["x"] for _, feed in found]), x)


def test_a_folder_is_one_feed_a_file(tmp_path):
    folder = tmp_path / "feeds"
    folder.mkdir()
    for i in range(3):
        np.savez(folder / f"{i}.npz", x=np.full((i + 1, 3), i, np.float32))
    found = read(folder, tmp_path)
    assert [(name, feed["x"].shape, feed["x"].flat[0]) for name, feed in found] == [
        (f"{i}.npz", (i + 1, 3), i) for i in range(3)
    ]


def test_long_files_are_mapped_anew_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "_REMAP_BYTES", 30)
    x = np.arange(300, dtype=np.float32).reshape(100, 3)
    np.save(tmp_path / "a.npy", x)
    found = np.concatenate([feed["x"] for _, feed in read(tmp_path / "a.npy", tmp_path)])
    np.testing.assert_array_equal(found, x)


def write(path, data):
    path.write_bytes(data)
    return path


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as found:
        for name, data in members.items():
            found.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: write(d / "a.npy", pickle.dumps([1])), "cannot be read as an array"),
        (lambda d: write(d / "a.npy", npy_bytes(np.array([{}], object))), "Python objects"),
        (lambda d: write(d / "a.npy", header((10**15,))), "cannot be read as an array"),
        (lambda d: write(d / "a.npy", header((-4, 3))), "cannot be read|rank|no samples"),
        (lambda d: write(d / "a.npy", b""), "cannot be read as an array"),
        (lambda d: write(d / "a.npz", b"PK\3\4 not a zip"), "not a sound .npz"),
        (lambda d: archive(d / "a.npz", {"x.npy": pickle.dumps([1])}), "cannot be read"),
        (lambda d: archive(d / "a.npz", {"../x.npy": npy_bytes(np.ones(3))}), "not an input"),
        (lambda d: archive(d / "a.npz", {"x.npy": header((10**15, 3))}), "cannot be read"),
        (lambda d: write(d / "a.txt", b""), "neither .npz nor .npy"),
        (lambda d: d / "absent.npz", "does not exist"),
        (lambda d: d, "neither .npz files nor images"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, make, message):
    folder = tmp_path / "given"
    folder.mkdir()
    with pytest.raises(SamplesError, match=message):
        read(make(folder), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"given", "scratch"}


def test_bombs_are_refused_as_declared(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "MAX_BYTES", 1000)
    with pytest.raises(SamplesError, match="declares 4128 bytes unpacked"):
        read(archive(tmp_path / "a.npz", {"x.npy": npy_bytes(np.zeros(1000, "f4"))}), tmp_path)
    assert not list((tmp_path / "scratch").iterdir())
    np.save(tmp_path / "a.npy", np.zeros(1000))
    with pytest.raises(SamplesError, match="has 8128 bytes"):
        read_npy(tmp_path / "a.npy", tmp_path)


def test_an_archive_of_too_many_arrays_is_refused(tmp_path):
    many = archive(tmp_path / "a.npz", {f"{i}.npy": b"" for i in range(1001)})
    with pytest.raises(SamplesError, match="1001 arrays"):
        read(many, tmp_path)


def test_one_array_for_two_inputs_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    with pytest.raises(SamplesError, match=r"save an \.npz with these names"):
        read(tmp_path / "a.npy", tmp_path, (X, Y))


def test_preprocessing_is_for_images_only(tmp_path):
    shape = Preprocessing(width=2, height=2)
    with pytest.raises(SamplesError, match="folder of images"):
        feeds_of({"x": np.zeros((2, 3))}, (X,), tmp_path, shape)


def test_no_room_is_said_with_where_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(readers.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    sample = archive(tmp_path / "a.npz", {"x.npy": npy_bytes(np.zeros(1000, "f4"))})
    with pytest.raises(SamplesError, match=r"room for 100; free some room.*another --store"):
        read(sample, tmp_path)
    np.save(tmp_path / "a.npy", np.zeros((2, 3), np.float32))
    with pytest.raises(SamplesError, match="room for 100"):
        read_npy(tmp_path / "a.npy", tmp_path)


def test_an_array_is_read_from_a_copy(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 3), np.float32))
    (tmp_path / "scratch").mkdir()
    array = read_npy(tmp_path / "a.npy", tmp_path / "scratch")
    (tmp_path / "a.npy").write_bytes(b"")  # a map of the file itself would end this process now
    assert array.sum() == 12
