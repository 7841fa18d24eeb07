"""The routes of the API, one module per thing that is asked for.

Imports the answers, schemas and helpers of the rooms around it. Begin with `search`.
"""
