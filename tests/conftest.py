"""Settings that all tests share."""

import os

from hypothesis import settings

# Locally every run tries new examples. In CI the same commit must give the same answer: what a
# new example finds is a bug of its own, not of the change that happened to be tested.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
