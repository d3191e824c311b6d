"""Texts for the retrieval task: package descriptions as Debian's `apt-cache` gives them.

They change a little with the state of the machine's package lists, and so do the figures.
"""

import random
import re
import subprocess

_NO_APPLICATION = re.compile(
    r"-(dev|doc|dbg|data|common|locale|l10n|perl|dbgsym)\b"
    r"|^(lib|linux-|texlive|golang-|r-cran|ruby-|node-|python3-|elpa-)"
)
_DESCRIPTION = re.compile(r"^Description-en: (.*)\n((?: .*\n?)+)", re.MULTILINE)
_SEED = 7
_AT_ONCE = 500


def descriptions(count: int) -> list[tuple[str, str]]:
    """Pairs of a short and a long description, of `count` different packages.

    Raises:
        RuntimeError: the package lists hold fewer.
    """
    listing = _apt("dumpavail")
    names = sorted(set(re.findall(r"^Package: (\S+)$", listing, re.MULTILINE)))
    names = [name for name in names if not _NO_APPLICATION.search(name)]
    random.Random(_SEED).shuffle(names)
    pairs: list[tuple[str, str]] = []
    seen: set[str] = set()
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        for record in _apt("show", "--no-all-versions", *some).split("\n\n"):
            found = _DESCRIPTION.search(record)
            if not found:
                continue
            short = found[1].strip()
            body = re.sub(r"^ \.?", "", found[2], flags=re.MULTILINE)
            long = re.sub(r"\s+", " ", body).strip()
            if len(long) > 150 and short not in seen and long[:80] not in seen:
                seen.update((short, long[:80]))
                pairs.append((short, long))
        if len(pairs) >= count:
            return pairs[:count]
    update = "apt-get update -o Acquire::Languages=en"
    raise RuntimeError(f"{len(pairs)} descriptions instead of {count}: run {update}")


def _apt(*order: str) -> str:
    command = ["apt-cache", "-o", "Acquire::Languages=en", *order]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
