"""Rewriting before rounding: the same function, easier to quantize; one rewriting a file."""
