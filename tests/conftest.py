"""Settings of the whole suite."""

from hypothesis import settings

# The same examples everywhere, and no clock: a slow machine is not a bug.
settings.register_profile("deltanas", deadline=None, derandomize=True)
settings.load_profile("deltanas")
