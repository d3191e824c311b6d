"""The command that looks at the machine: doctor."""

import typer

from lissom.cli.options import AsJson, StorePath
from lissom.cli.screen import guarded, show

__all__ = ["doctor"]


def doctor(store: StorePath = None, as_json: AsJson = False) -> None:
    """Tell whether this machine is fit to measure on, what it offers, and what is missing."""
    with guarded():
        from lissom import api
        from lissom.report.doctor import diagnosis_lines

        typer.echo("looking; the first time takes up to a minute", err=True)
        show(api.doctor(store=store), diagnosis_lines, as_json=as_json)
