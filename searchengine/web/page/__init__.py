"""The shell of the page, its scripts, styles and texts.

Imports the rooms around it. Begin with `pages`; what the page does stands in `static/main.js`, and
what it says in `locales`.
"""
