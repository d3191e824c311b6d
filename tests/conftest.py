"""For every test: property tests use fixed examples and are never judged by the clock."""

import os

from hypothesis import settings

# No test tells anybody anything: set before a runtime is imported, and children inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

settings.register_profile("lissom", deadline=None, derandomize=True)
settings.load_profile("lissom")
