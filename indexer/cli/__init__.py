"""The commands that produce what is searched, and those that measure it.

Imports all of `indexer`. Begin with the module that is called like the command.
"""
