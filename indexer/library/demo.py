"""Photographs that come with packages, and questions that they answer."""

from __future__ import annotations

import os

from searchengine.errors import MissingPlugin


def photographs() -> list[str]:
    """Return the folders of the pictures that scikit-image and scikit-learn ship.

    Raises:
        MissingPlugin: One of the packages is not installed.
    """
    try:
        import skimage.data
        import sklearn.datasets
    except ImportError as error:
        raise MissingPlugin("demo needs: pip install 'lexpix[demo]'") from error
    return [
        os.path.dirname(skimage.data.__file__),
        os.path.join(os.path.dirname(sklearn.datasets.__file__), "images"),
    ]


def questions(folders: list[str]) -> list[list[str]]:
    """Return a word, a sentence, a sum and what is not there, as arguments of `search`."""
    _, images = folders
    return [
        ["a motorcycle"],
        ["a red flower"],
        [os.path.join(images, "china.jpg"), "-", "temple", "+", "flower"],
        ["kids playing in a pool"],
    ]
