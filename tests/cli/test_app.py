"""The list of commands."""

from tests.cli.command import invoked

COMMANDS = ("compress", "demo", "inspect", "measure", "compare", "apply", "version")


def test_help_lists_every_command_in_order() -> None:
    shown = invoked("--help").stdout
    places = [shown.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)
