"""The commands that produce what is searched, and those that measure it."""
