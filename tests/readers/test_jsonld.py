"""Published recipes, in the forms that sites use; `recipe-scrapers` reads the same pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from recipe_scrapers import scrape_html

from indexer.readers import jsonld

STEPS = ["Soak the peas overnight.", "Boil & skim them.", "Season."]
PEASE: dict[str, Any] = {
    "@context": "https://schema.org",
    "@type": "Recipe",
    "name": "Pease pudding",
    "recipeIngredient": ["500 g split peas", "1 onion", "½ tsp salt"],
    "recipeInstructions": [{"@type": "HowToStep", "text": text} for text in STEPS],
    "image": "pease.jpg",
}
SECTIONS = [
    {
        "@type": "HowToSection",
        "name": "Day before",
        "itemListElement": [PEASE["recipeInstructions"][0]],
    },
    {"@type": "HowToSection", "name": "Day", "itemListElement": PEASE["recipeInstructions"][1:]},
]
FORMS: dict[str, Any] = {
    "plain": PEASE,
    "several types": {**PEASE, "@type": ["Recipe", "NewsArticle"]},
    "in a list": [{"@type": "WebSite", "name": "Peas and more"}, PEASE],
    "in a graph": {
        "@context": "https://schema.org",
        "@graph": [{"@type": "WebPage", "name": "Peas"}, PEASE],
    },
    "steps as one text": {**PEASE, "recipeInstructions": "\n".join(STEPS)},
    "steps as texts": {**PEASE, "recipeInstructions": STEPS},
    "steps in sections": {**PEASE, "recipeInstructions": SECTIONS},
    "entities": {
        **PEASE,
        "recipeIngredient": ["500 g split&nbsp;peas", "1 onion", "&frac12; tsp salt"],
        "recipeInstructions": [text.replace("&", "&amp;") for text in STEPS],
    },
}


def page(value: Any) -> str:
    """Return a web page that holds JSON-LD."""
    script = f'<script type="application/ld+json">{json.dumps(value)}</script>'
    return f"<!doctype html><html><head><title>Peas</title>{script}</head><body><p>x</p></body>"


def read(text: str) -> list[dict[str, Any]]:
    """Return the recipes of a page."""
    values = [jsonld.loads(script) for _, script in jsonld.scripts(text)]
    return [jsonld.record(recipe) for value in values for recipe in jsonld.recipes(value)]


@pytest.mark.parametrize("form", FORMS)
def test_recipe_is_the_same_in_each_form(form: str) -> None:
    (recipe,) = read(page(FORMS[form]))
    assert recipe == {
        "id": None,
        "title": "Pease pudding",
        "ingredients": ["500 g split peas", "1 onion", "½ tsp salt"],
        "instructions": STEPS,
        "image": "pease.jpg",
    }


@pytest.mark.parametrize("form", FORMS)
def test_another_library_reads_the_same(form: str) -> None:
    (recipe,) = read(page(FORMS[form]))
    other = scrape_html(page(FORMS[form]), "https://example.org/peas", supported_only=False)
    assert recipe["title"] == other.title()
    assert recipe["ingredients"] == other.ingredients()
    headings = {"Day before", "Day"}  # which are no steps; the other library has them among these
    assert recipe["instructions"] == [
        line for line in other.instructions_list() if line not in headings
    ]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (["a.jpg", "b.jpg"], "a.jpg"),
        ({"@type": "ImageObject", "url": "a.jpg", "width": 3}, "a.jpg"),
        ({"@type": "ImageObject", "contentUrl": "a.jpg"}, "a.jpg"),
        ([{"@type": "ImageObject", "url": ["a.jpg"]}], "a.jpg"),
        ({"@id": "#photo"}, "a.jpg"),
        ("", None),
        ([], None),
        (None, None),
    ],
)
def test_image_is_found_in_each_form(image: Any, expected: str | None) -> None:
    photo = {"@type": "ImageObject", "@id": "#photo", "url": "a.jpg"}
    value = {"@graph": [{**PEASE, "image": image}, photo]}
    assert [jsonld.record(one)["image"] for one in jsonld.recipes(value)] == [expected]


def test_markup_in_texts_is_read_as_lines() -> None:
    steps = "<ol><li>Soak the <b>peas</b>.</li><li>Boil.<br>Skim.</li></ol>"
    recipe = {**PEASE, "recipeInstructions": steps, "name": "P&amp;amp;Q"}
    (found,) = map(jsonld.record, jsonld.recipes(recipe))
    assert found["instructions"] == ["Soak the peas.", "Boil.", "Skim."]
    assert found["title"] == "P&Q"
    assert jsonld.plain("flour < 2 cups") == ["flour < 2 cups"]


def test_several_recipes_of_a_page_come_in_order() -> None:
    other = {**PEASE, "name": "Pea soup", "@id": "#soup"}
    assert [one["title"] for one in read(page([other, PEASE]) + page({"@graph": [PEASE]}))] == [
        "Pea soup",
        "Pease pudding",
        "Pease pudding",
    ]


def test_reference_to_a_recipe_is_no_second_one() -> None:
    soup = {**PEASE, "@id": "#soup"}
    value = {
        "@graph": [{"@type": "WebPage", "mainEntity": {"@type": "Recipe", "@id": "#soup"}}, soup]
    }
    assert len(list(jsonld.recipes(value))) == 1


def test_script_may_stand_in_a_comment_and_break_lines_in_texts() -> None:
    script = json.dumps({**PEASE, "name": "Pease~pudding"}).replace("~", "\n")
    text = (
        f'<p>\n\n<script type="application/ld+json; charset=utf-8">\n<!--\n{script}\n-->\n</script>'
    )
    assert [line for line, _ in jsonld.scripts(text)] == [3]
    assert [one["title"] for one in read(text)] == ["Pease pudding"]


@pytest.mark.parametrize("begun", ["<![<=", "<![nonsense[", "<![", "<![if x", "<!x<![<"])
def test_what_is_no_markup_does_not_hide_a_recipe(begun: str) -> None:
    page = f'{begun}><script type="application/ld+json">{{"@type": "Recipe"}}</script>'
    assert [text for _, text in jsonld.scripts(page)] == ['{"@type": "Recipe"}']
    assert jsonld.plain(f"a {begun}>soup<br>") in (["a soup"], [f"a {begun}>soup"])


def test_deep_json_does_not_exhaust_the_stack() -> None:
    value: Any = PEASE
    for _ in range(5000):
        value = {"item": [value]}
    assert len(list(jsonld.recipes(value))) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2,], "b": "two\nlines",\n}', {"a": [1, 2], "b": "two\nlines"}),
        (
            '[{"@type": "Recipe", "name": "Soup, {hot},]",},]',
            [{"@type": "Recipe", "name": "Soup, {hot},]"}],
        ),
    ],
)
def test_what_only_a_lenient_reader_takes_is_read(text: str, value: object) -> None:
    assert jsonld.loads(text) == value


@pytest.mark.parametrize(
    "text",
    ['{"a": 1,}{"b": 2}', '{"a": [1, 2}', '{"a": "b",', "x = {a: 1}", '{"a" "b"}', "[" * 99_999],
)
def test_what_could_mean_anything_is_no_json(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        jsonld.loads(text)
