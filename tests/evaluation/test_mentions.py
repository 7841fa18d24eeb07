"""When a caption names a thing, and which words of captions are one."""

from __future__ import annotations

import pytest

from indexer.evaluation.mentions import content_stems, count, forms, names, stem


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Two dogs run .", "dog"),
        ("A dog's tail", "dog"),
        ("three puppies", "puppy"),
        ("Men at work", "man"),
        ("two snowmen melt", "snowman"),
        ("The people wait", "person"),
        ("he is swimming", "swim"),
        ("a biking trip", "bike"),
        ("hopped over it", "hop"),
        ("wolves howl", "wolf"),
        ("two knives", "knife"),
        ("yellow buses", "bus"),
        ("boxes", "box"),
        ("an old fire truck", "fire truck"),
        ("red FIRE-HYDRANT, red fire trucks", "fire truck"),
        ("a t-shirt", "T-shirt"),
    ],
)
def test_words_and_their_inflections_are_named(text: str, name: str) -> None:
    assert names(text, name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a hotdog", "dog"),
        ("dogma", "dog"),
        ("A woman", "man"),
        ("a hundred carets", "red"),
        ("caring people", "car"),
        ("a fire near a truck", "fire truck"),
        ("fires truck", "fire truck"),
        ("a puppy", "dog"),
        ("", "dog"),
        ("anything", "!"),
    ],
)
def test_parts_of_words_and_synonyms_are_not(text: str, name: str) -> None:
    assert not names(text, name)


def test_captions_that_name_a_thing_are_counted() -> None:
    assert count(["A dog .", "Dogs !", "a cat"], "dog") == 2


FAMILIES = """
dog beach city knife bike tree child snowman man kiss leaf run box play baby ride stop bus house
skateboard ski swing
"""


@pytest.mark.parametrize("name", FAMILIES.split())
def test_inflections_share_a_stem(name: str) -> None:
    seldom = {"treed"}
    assert {stem(form) for form in forms(name) - seldom} == {stem(name)}


def test_different_words_keep_different_stems() -> None:
    words = ["dog", "cat", "car", "cart", "ring", "red", "grass", "bus", "king", "string", "beach"]
    assert len({stem(word) for word in words}) == len(words)


def test_scenes_are_what_is_left_of_captions() -> None:
    captions = ["A dog is running on the beach .", "Dogs run at a beach with two men"]
    assert content_stems(captions, without=["dog"]) == {stem("run"), stem("beach"), stem("man")}
