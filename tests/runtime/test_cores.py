"""Cores: halves of one core count once, and a container's share is respected."""

import os
from pathlib import Path

import pytest

from lissom.runtime import cores


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four logical processors, two to a core, and no control groups."""
    for cpu, siblings in enumerate(("0-1", "0-1", "2-3", "2-3")):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n", encoding="ascii")
    monkeypatch.setattr(cores, "_TOPOLOGY", tmp_path)
    monkeypatch.setattr(cores, "_GROUP", tmp_path / "cpu.max")
    monkeypatch.setattr(cores, "_OLD_GROUP", tmp_path / "cpu")
    monkeypatch.setattr(cores, "logical", lambda: (0, 1, 2, 3))
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path


def test_halves_of_a_core_count_once(machine: Path) -> None:
    assert machine.exists()
    assert cores.quota() is None
    assert cores.physical() == 2


def test_what_the_system_does_not_tell_counts_by_itself(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "_TOPOLOGY", machine / "absent")
    assert cores.physical() == 4


@pytest.mark.parametrize(
    ("text", "granted", "count"),
    [
        ("max 100000", None, 2),
        ("150000 100000", 1.5, 1),
        ("50000 100000", 0.5, 1),
        ("800000 100000", 8.0, 2),
        ("nonsense", None, 2),
        ("100000 0", None, 2),
    ],
)
def test_a_share_of_the_machine(
    machine: Path, text: str, granted: float | None, count: int
) -> None:
    (machine / "cpu.max").write_text(text + "\n", encoding="ascii")
    assert cores.quota() == granted
    assert cores.physical() == count


@pytest.mark.parametrize(("quota", "granted"), [("-1", None), ("100000", 1.0)])
def test_older_control_groups(machine: Path, quota: str, granted: float | None) -> None:
    folder = machine / "cpu"
    folder.mkdir()
    (folder / "cpu.cfs_quota_us").write_text(quota, encoding="ascii")
    (folder / "cpu.cfs_period_us").write_text("100000", encoding="ascii")
    assert cores.quota() == granted


def test_on_a_mac_the_system_is_asked(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.exists()
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(cores, "_mac_cores", lambda: 10)
    assert cores.physical() == 10


def test_this_machine() -> None:
    assert 1 <= cores.physical() <= (os.cpu_count() or 1)
    assert len(cores.logical()) >= cores.physical()
