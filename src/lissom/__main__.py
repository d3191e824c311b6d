"""`python -m lissom`: the command line."""

from lissom.cli.app import main

main()
