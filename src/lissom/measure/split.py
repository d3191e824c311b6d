"""Which samples calibrate, which choose, which certify: by the hash of what they hold.

A sample's part depends on its content alone, so adding or reordering samples never moves one, and
copies of one sample always land together: no sample is judged that was calibrated on.
"""

from collections.abc import Sequence
from typing import Literal, get_args

__all__ = ["FRACTIONS", "PartName", "assign"]

PartName = Literal["calibration", "selection", "certification"]

FRACTIONS: dict[PartName, float] = {"calibration": 0.3, "selection": 0.5, "certification": 0.2}
"""Ranges settle with a hundred samples, a choice among candidates wants many more; a certificate
says itself whether it had enough."""


def assign(hashes: Sequence[bytes]) -> dict[PartName, tuple[int, ...]]:
    """Split samples into three disjoint parts; each part in the order of hashes.

    A hash is read as a number in [0, 1) and the fractions cut that line. The order within a part
    is therefore random yet stable: its first n samples are a fair sample of it. A part that stays
    empty (some dozen samples or fewer) takes its nearest sample from the largest part, first
    calibration, then selection, then certification; with fewer than three different samples the
    last parts stay empty.

    Args:
        hashes: at least 8 bytes each, one for every sample.
    """
    distinct = sorted(set(hashes))
    groups: dict[PartName, list[bytes]] = {name: [] for name in get_args(PartName)}
    for key in distinct:
        groups[_part_of(key)].append(key)
    for name in get_args(PartName):
        _fill(name, groups)
    places: dict[bytes, list[int]] = {}
    for i, key in enumerate(hashes):
        places.setdefault(key, []).append(i)
    return {name: tuple(i for key in keys for i in places[key]) for name, keys in groups.items()}


def _part_of(key: bytes) -> PartName:
    place = int.from_bytes(key[:8], "big") / 2**64
    edge = 0.0
    for name, fraction in FRACTIONS.items():
        edge += fraction
        if place < edge - 1e-12:
            return name
    return "certification"


def _fill(name: PartName, groups: dict[PartName, list[bytes]]) -> None:
    if groups[name]:
        return
    order: list[PartName] = list(get_args(PartName))
    # An earlier part gives only what it has to spare; a later one may give its last.
    donors = [n for n in order if len(groups[n]) > (1 if order.index(n) < order.index(name) else 0)]
    if not donors:
        return
    donor = max(donors, key=lambda n: len(groups[n]))
    after = order.index(donor) > order.index(name)
    groups[name].append(groups[donor].pop(0 if after else -1))
