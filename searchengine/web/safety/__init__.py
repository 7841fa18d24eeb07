"""Who may ask, for how much and how long, and which error is which HTTP status.

Imports `errors` alone. Begin with `access`; SECURITY.md says what it protects from what.
"""
