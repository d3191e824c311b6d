"""A command run in this process, as a user would type it."""

from typer.testing import CliRunner, Result

from lissom.cli.app import app

__all__ = ["invoked"]


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))
