"""For every test: property tests use fixed examples and are never judged by the clock."""

import os
import signal

from hypothesis import settings

# No test tells anybody anything: set before a runtime is imported, and children inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# A shell without job control lets what it runs in the background ignore Ctrl-C, and children of
# that ignore it, too: then those that are to be stopped would run on.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("lissom", deadline=None, derandomize=True)
settings.load_profile("lissom")
