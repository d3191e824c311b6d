"""Which samples a run used, by the hashes of what they hold: written beside its result.

So whoever verifies the delivered model later, on data that may overlap, tests it on new samples
only. Six bytes of each hash tell samples apart, and give none of them away.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from lissom.errors import OutputError, SamplesError
from lissom.measure.judge import Judge
from lissom.measure.samples import Part, PartName, Samples
from lissom.measure.split import FRACTIONS, assign
from lissom.search.origin import Origin
from lissom.store.small import read_small

__all__ = ["FILE", "Fresh", "Used", "fresh_samples", "read_used", "used_samples"]

FILE: Final = "samples.json"
FORMAT: Final = 1
BYTES: Final = 6
MOST_BYTES: Final = 256 << 20
FITTED: Final = FRACTIONS["calibration"]
"""The share of new samples on which the original's confidence is fitted, where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """The samples of a run: for each part the beginnings of the hashes in it."""

    parts: dict[PartName, frozenset[bytes]]

    def known(self, keys: Sequence[bytes], name: PartName | None = None) -> list[bool]:
        """Tell which samples the run had, in one part or in any.

        Args:
            keys: hashes of samples, as `Samples.keys` gives them.
            name: of the part; None for any.
        """
        parts = [self.parts[name]] if name else list(self.parts.values())
        return [any(key[:BYTES] in part for part in parts) for key in keys]


def used_samples(samples: Samples) -> bytes:
    """What to write of the samples of a run."""
    keys = samples.keys()
    parts = {
        name: b"".join(sorted({keys[i][:BYTES] for i in samples.part(name).indices})).hex()
        for name in get_args(PartName)
    }
    return (json.dumps({"format": FORMAT, "bytes": BYTES, "parts": parts}) + "\n").encode()


def read_used(path: Path) -> Used | None:
    """Read what a run wrote of its samples; None where it wrote nothing.

    Raises:
        OutputError: the file is damaged, or none of ours.
    """
    try:
        found = json.loads(read_small(path, most_bytes=MOST_BYTES, follow=False))
        if found["format"] != FORMAT or found["bytes"] != BYTES:
            raise OutputError(f"{path} was not written by this version; remove it to go on without")
        parts = {name: split(found["parts"][name]) for name in get_args(PartName)}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise OutputError(f"{path} cannot be read; remove it to go on without it") from error
    return Used(parts=parts)


def split(text: str) -> frozenset[bytes]:
    """The beginnings of hashes that follow one another in hexadecimal."""
    whole = bytes.fromhex(text)
    return frozenset(whole[at : at + BYTES] for at in range(0, len(whole), BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """The samples to verify a model on.

    Attributes:
        part: those that certify.
        fitted: those on which the original's confidence is fitted; None for `part` itself.
        left_out: how many the run had used.
        notes: on what was left out.
        share: of still more samples, those that would certify.
    """

    part: Part
    fitted: Part | None = None
    left_out: int = 0
    notes: tuple[str, ...] = ()
    share: float = 1.0


def fresh_samples(samples: Samples, how: Judge, origin: Origin | None) -> Fresh:
    """Leave out what the run had used; where nothing is left, take what it kept for certification.

    Args:
        samples: what was given to verify on.
        how: quality is told; a known quality without labels needs some samples to be fitted on.
        origin: what the run said; None if none is known.

    Raises:
        SamplesError: nothing is left at all.
        OutputError: what the run noted of its samples cannot be read.
    """
    keys = samples.keys()
    used = None if origin is None else read_used(origin.folder / FILE)
    old = [False] * len(keys) if used is None else used.known(keys)
    the_same = origin is not None and origin.fingerprint == samples.fingerprint
    fitted = how.original_quality is not None and not samples.labels
    if the_same or all(old):
        kept = samples.part("certification").indices
        if used is not None:
            known = used.known(keys, "certification")
            kept = tuple(i for i, it in enumerate(known) if it)
        if not kept:
            raise SamplesError("the run that made the model has used all these samples; give new")
        note = (
            f"All {samples.count:,} samples are those of the run that made the model: this tells "
            f"nothing new of the drop. Only the {len(kept):,} that it kept for certification count."
        )
        rest = sorted(set(range(samples.count)) - set(kept))
        return Fresh(
            part=samples.picked(kept, "certification"),
            fitted=samples.picked(rest, "selection") if fitted and rest else None,
            left_out=samples.count - len(kept),
            notes=(note,),
            share=1.0 - FITTED if fitted else 1.0,
        )
    new = [i for i, it in enumerate(old) if not it]
    notes = []
    if len(new) < samples.count:
        notes.append(
            f"{samples.count - len(new):,} of {samples.count:,} samples were left out: the run "
            "that made the model had used them."
        )
    if not fitted:
        part = samples.picked(new, "certification")
        return Fresh(part=part, left_out=samples.count - len(new), notes=tuple(notes))
    parts = assign([keys[i] for i in new])
    for_fit = {new[i] for i in parts["calibration"]}
    notes.append(
        f"On {len(for_fit):,} of the samples the original's confidence was fitted to its known "
        "quality; they do not count."
    )
    return Fresh(
        part=samples.picked((i for i in new if i not in for_fit), "certification"),
        fitted=samples.picked(for_fit, "selection"),
        left_out=samples.count - len(new),
        notes=tuple(notes),
        share=1.0 - FITTED,
    )
