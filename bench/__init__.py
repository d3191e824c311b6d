"""The published benchmark: real networks, real data, raw results; `python -m bench --help`."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before a runtime is imported
