"""`python -m lissom`: the command line."""

from lissom.cli import main

main()
