"""Recipes and texts in Markdown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.readers.markdown import record

PAGE = """\
---
title: Barley broth
image: broth.jpg
---
My aunt made this ~~every~~ *each* winter.

## Ingredients

### For the pot

- 100 g **pearl barley**
- 2 [carrots](https://example.org), diced
  and washed

### To finish

1 bunch of parsley
`salt`

## Method

1. Simmer the barley
   for an hour.
2. Add the carrots.

   Stir.

## Notes

Keeps for a week.
"""


def test_sections_of_a_recipe_are_its_fields() -> None:
    assert record(PAGE) == {
        "id": None,
        "title": "Barley broth",
        "image": "broth.jpg",
        "ingredients": [
            "100 g pearl barley",
            "2 carrots, diced",
            "and washed",
            "1 bunch of parsley",
            "salt",
        ],
        "instructions": ["Simmer the barley for an hour.", "Add the carrots.", "Stir."],
    }


@pytest.mark.parametrize(
    "heading",
    [
        "## Ingredients",
        "# INGREDIENTS:",
        "**Ingredients**",
        "**Ingredients:**",
        "Ingredients:",
        "Ingredients\n---",
        "__Ingredients__:",
    ],
)
@pytest.mark.parametrize("steps", ["## Directions", "**Steps**", "Preparation:", "### method"])
def test_section_is_known_in_each_of_its_forms(heading: str, steps: str) -> None:
    if heading.startswith("#"):
        steps = f"# {steps.strip('#*: ')}"
    found = record(f"{heading}\n\n- 1 egg\n\n{steps}\n\nBoil it.\n")
    assert (found["ingredients"], found["instructions"]) == (["1 egg"], ["Boil it."])


def test_other_text_is_its_paragraphs_below_its_heading() -> None:
    found = record(
        "# The north bed\n\nShade *until*\nnoon. ![a fern](fern.jpg)\n\n"
        "- one\n- two\n\n## More\n\n> quoted\n"
    )
    assert found == {
        "id": None,
        "title": "The north bed",
        "image": "fern.jpg",
        "body": ["Shade until noon.", "one", "two", "More", "quoted"],
    }


def test_front_matter_may_hold_all_of_a_recipe() -> None:
    found = record(
        "---\ntitle: 1912\nid: 7\ningredients:\n- flour: 2 cups\n- 1 egg\n"
        "instructions: |\n  Mix.\n  Bake.\n---\n"
    )
    assert found["title"] == "1912"
    assert found["ingredients"] == ["flour: 2 cups", "1 egg"]
    assert found["instructions"] == ["Mix.", "Bake."]


def test_line_of_dashes_is_no_front_matter() -> None:
    assert record("---\n\nNo end of it.")["body"] == ["No end of it."]


_WORD = st.text("abcdefghijklmnopqrstuvwxyzäéñ½", min_size=1, max_size=8)
_LINE = st.lists(_WORD, min_size=1, max_size=5).map(" ".join)


@settings(deadline=None)
@given(_LINE, st.lists(_LINE, min_size=1, max_size=5), st.lists(_LINE, min_size=1, max_size=4))
def test_recipe_written_as_markdown_is_read_as_it_was(
    title: str, ingredients: list[str], steps: list[str]
) -> None:
    listed = "".join(f"* {line}\n" for line in ingredients)
    numbered = "".join(f"{number}. {line}\n" for number, line in enumerate(steps, 1))
    expected: dict[str, Any] = {
        "id": None,
        "title": title,
        "image": None,
        "ingredients": ingredients,
        "instructions": steps,
    }
    assert record(f"# {title}\n\n## Ingredients\n\n{listed}\n## Steps\n\n{numbered}") == expected
