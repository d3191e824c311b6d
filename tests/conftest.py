"""For every test: property tests use fixed examples and are never judged by the clock."""

from hypothesis import settings

settings.register_profile("lissom", deadline=None, derandomize=True)
settings.load_profile("lissom")
