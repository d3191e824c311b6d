"""The published benchmark: real networks, real data, raw results; `python -m bench --help`."""
