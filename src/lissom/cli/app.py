"""The list of commands, in the order in which help shows them, and the entry point."""

import os
import signal
import sys

import typer

from lissom.cli import doctor, looking, making, verify

__all__ = ["app", "main"]

app = typer.Typer(
    help="Makes a trained neural network smaller, faster and cheaper to run, and proves it.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for command in (
    making.compress,
    making.demo,
    looking.inspect,
    looking.measure,
    looking.compare,
    verify.verify,
    making.apply,
    doctor.doctor,
    looking.version,
):
    app.command()(command)


def main() -> None:
    """Run the command line."""
    # a request to end is like Ctrl-C: children are ended, the front is kept
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except BrokenPipeError:
        # whoever read our output has gone; that is their right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
