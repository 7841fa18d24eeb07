"""What recipes are made of: ingredient lines taken apart, foods and what they may contain.

Imports `language`. Begin with `filters`, which is what `--with` and `--without` ask.
"""
