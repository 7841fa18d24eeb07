"""Processes that decode what could take this one down: the pool, one of them, how they talk."""
