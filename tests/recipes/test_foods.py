"""What ingredients are, told by pairs that were written down before the code ran on them."""

from __future__ import annotations

from functools import cache

import inflect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchengine.errors import QuerySyntaxError
from searchengine.language.singular import to_singular
from searchengine.recipes.foods import FILE, matches

# Name of an ingredient, wanted food, whether --with takes it, whether --without leaves it out.
PAIRS = [
    ("boneless chicken thighs", "chicken", True, True),
    ("chicken breasts", "chicken", True, True),
    ("chicken broth", "chicken", True, True),
    ("chickpeas", "chicken", False, False),
    ("eggs", "egg", True, True),
    ("egg", "eggs", True, True),
    ("egg yolks", "egg", True, True),
    ("eggplant", "egg", False, False),
    ("hard-boiled eggs", "egg", True, True),
    ("all-purpose flour", "flour", True, True),
    ("cocoa powder", "nuts", False, False),
    ("fresh mint leaves", "dairy", False, False),
    ("aubergine", "eggplant", True, True),
    ("mayonnaise", "egg", False, True),
    ("sliced almonds", "nuts", True, True),
    ("walnut halves", "nuts", True, True),
    ("pecans", "nuts", True, True),
    ("toasted pine nuts", "nuts", True, True),
    ("roasted peanuts", "nuts", True, True),
    ("nutmeg", "nuts", False, False),
    ("doughnuts", "nuts", False, False),
    ("butternut squash", "nuts", False, False),
    ("coconut milk", "nuts", False, False),
    ("water chestnuts", "nuts", False, False),
    ("Nutella", "nuts", False, True),
    ("marzipan", "nuts", False, True),
    ("praline", "nuts", False, True),
    ("basil pesto", "nuts", False, True),
    ("marzipan", "almonds", False, True),
    ("mixed nuts", "almonds", False, True),
    ("nut mix", "nuts", True, True),
    ("walnuts", "almonds", False, False),
    ("nut-free granola", "nuts", False, False),
    ("unsalted butter", "butter", True, True),
    ("peanut butter", "butter", False, False),
    ("peanut butter", "peanuts", True, True),
    ("peanut butter", "dairy", False, False),
    ("cocoa butter", "dairy", False, False),
    ("butternut squash", "butter", False, False),
    ("butter beans", "butter", False, False),
    ("buttermilk", "dairy", True, True),
    ("grated Parmesan cheese", "dairy", True, True),
    ("Greek yoghurt", "dairy", True, True),
    ("heavy whipping cream", "dairy", True, True),
    ("ghee", "dairy", True, True),
    ("almond milk", "dairy", False, False),
    ("coconut cream", "dairy", False, False),
    ("cream of tartar", "dairy", False, False),
    ("dairy-free milk", "dairy", False, False),
    ("milk or dairy-free milk", "dairy", True, True),
    ("milk chocolate chips", "dairy", True, True),
    ("dark chocolate", "dairy", False, True),
    ("ground beef", "meat", True, True),
    ("bacon", "meat", True, True),
    ("bacon", "pork", True, True),
    ("prosciutto", "pork", True, True),
    ("lamb shoulder", "meat", True, True),
    ("turkey", "meat", True, True),
    ("hamburger buns", "meat", False, False),
    ("gelatin", "pork", False, True),
    ("beefsteak tomatoes", "meat", False, False),
    ("salmon fillets", "fish", True, True),
    ("canned tuna", "fish", True, True),
    ("anchovies", "fish", True, True),
    ("Worcestershire sauce", "fish", False, True),
    ("fish sauce", "fish", True, True),
    ("large shrimp", "shellfish", True, True),
    ("king prawns", "seafood", True, True),
    ("cod", "seafood", True, True),
    ("oyster mushrooms", "shellfish", False, False),
    ("all-purpose flour", "gluten", True, True),
    ("rice flour", "gluten", False, False),
    ("gluten-free flour", "gluten", False, False),
    ("spaghetti", "gluten", False, True),
    ("rice noodles", "gluten", False, False),
    ("soy sauce", "gluten", False, True),
    ("soy sauce", "soy", True, True),
    ("firm tofu", "soy", True, True),
    ("tahini", "sesame", True, True),
    ("hummus", "sesame", False, True),
    ("red wine", "alcohol", True, True),
    ("dark rum", "alcohol", True, True),
    ("red wine vinegar", "alcohol", False, False),
    ("corn kernels", "alcohol", False, False),
    ("root beer", "alcohol", False, False),
    ("strawberries", "fruit", True, True),
    ("strawberries", "berries", True, True),
    ("Granny Smith apples", "apple", True, True),
    ("apple cider vinegar", "apple", False, False),
    ("sweet potatoes", "potatoes", False, False),
    ("potato", "potatoes", True, True),
    ("lemon juice", "lemon", True, True),
    ("carrots", "vegetables", True, True),
    ("jalapeño", "jalapeno", True, True),
    ("courgettes", "zucchini", True, True),
    ("bay leaves", "bay leaf", True, True),
    ("scallions", "green onions", True, True),
    ("shiitake mushrooms", "mushroom", True, True),
    ("cup", "alcohol", False, False),
    ("cinnamon stick", "dairy", False, False),
    ("salt", "meat", False, False),
    ("ice cream", "cream", False, True),
    ("celery sticks", "celery", True, True),
    ("Dijon mustard", "mustard", True, True),
]


@pytest.mark.parametrize(("name", "wanted", "strictly", "warily"), PAIRS)
def test_ingredient_is_the_food_that_is_wanted(
    name: str, wanted: str, strictly: bool, warily: bool
) -> None:
    found = matches([name], wanted), matches([name], wanted, wary=True)
    assert found == (strictly, warily)


# Whole lines, as --without reads them: food that is avoided, whether the line may hold it.
LINES = [
    ("1 cup granola (contains almonds)", "nuts", True),
    ("2 tbsp peanut or almond butter", "nuts", True),
    ("1/2 cup flour (gluten-free)", "gluten", False),
    ("1 tsp freshly grated nutmeg", "nuts", False),
    ("1 cup plain flour or gluten-free flour", "gluten", True),
    ("4 oz store-bought pesto", "nuts", True),
    ("3 cloves garlic, minced", "meat", False),
    ("1 recipe pie crust, baked", "dairy", True),
    ("2 cups vegetable stock", "meat", False),
    ("2 cups stock", "meat", True),
    ("2 cups chicken stock", "dairy", False),
    ("1 can black beans", "soy", False),
    ("1 block cheddar cheese", "parmesan", False),
    ("1/2 cup grated cheese", "parmesan", True),
    ("1 tsp salt and a twist of black pepper", "gluten", False),
    ("1 packet taco seasoning", "gluten", True),
    ("2 cups rice flour", "wheat", False),
    ("2 hard-boiled eggs, quartered", "eggs", True),
    ("1 (10.75 oz) can cream of mushroom soup", "gluten", True),
    ("1 tbsp curry paste", "shellfish", True),
    ("2 cups whipped topping, thawed", "eggs", False),
    ("1 box yellow cake mix", "eggs", True),
    ("salt and black pepper to taste", "dairy", False),
]


@pytest.mark.parametrize(("line", "avoided", "expected"), LINES)
def test_line_may_hold_what_is_avoided(line: str, avoided: str, expected: bool) -> None:
    assert matches([line], avoided, wary=True) is expected


@pytest.mark.parametrize("group", ["nuts", "dairy", "gluten", "eggs", "fish", "meat", "soy"])
def test_wary_search_finds_all_that_the_strict_one_does(group: str) -> None:
    strictly = {name for name in _names() if matches([name], group)}
    warily = {name for name in _names() if matches([name], group, wary=True)}
    assert strictly
    assert strictly - warily == set()


@pytest.mark.parametrize("group", ["nuts", "dairy", "gluten", "seafood", "meat", "vegetables"])
def test_kinds_of_a_group_are_those_of_a_naive_walk(group: str) -> None:
    rows = [line.split("\t") for line in FILE.read_text(encoding="utf-8").splitlines()]
    kinds = {row[0]: row[2].split(",") for row in rows}
    roots = {row[0] for row in rows if to_singular(group) in map(to_singular, row[1].split(","))}

    def is_below(key: str, depth: int = 0) -> bool:
        return key in roots or any(is_below(k, depth + 1) for k in kinds.get(key, ()))

    below = {name for row in rows if is_below(row[0]) for name in row[1].split(",") if name}
    assert len(below) > 20
    assert {name for name in below if not matches([name], group)} == set()


@pytest.mark.parametrize("name", ["tomato", "quiche", "cookie", "pie", "peach", "mousse", "olive"])
def test_plural_that_is_hard_folds_to_the_singular(name: str) -> None:
    assert to_singular(inflect.engine().plural(name)) == to_singular(name)


def test_plurals_of_all_foods_fold_to_their_singulars() -> None:
    """Against `inflect`, which has the irregular plurals of English; plural names are left out."""
    engine = inflect.engine()
    words = {name for name in _names() if name.isascii() and name.isalpha()}
    countable = {word for word in words if not engine.singular_noun(word)}
    assert len(countable) > 800
    wrong = {
        word: plural
        for word in countable
        if to_singular(plural := engine.plural(word)) != to_singular(word)
    }
    # Plurals that nobody writes in a recipe, such as "grouse" and "calfs".
    assert len(wrong) <= 0.02 * len(countable), wrong


@given(st.text(max_size=30))
def test_case_and_spacing_do_not_count(text: str) -> None:
    assert to_singular(f"  {text.lower()}\n") == to_singular(text.lower())
    assert to_singular(text.lower().replace("-", " ")) == to_singular(
        text.lower().replace("-", "  ")
    )


def test_unknown_food_is_found_by_its_words_alone() -> None:
    assert matches(["2 ripe zorblaxes, sliced"], "zorblax")
    assert not matches(["2 ripe zorblaxes"], "blax", wary=True)


@pytest.mark.parametrize("nothing", ["", "  ", "-", "?!"])
def test_food_without_a_word_is_refused(nothing: str) -> None:
    with pytest.raises(QuerySyntaxError, match="names no food"):
        matches(["salt"], nothing)


@cache
def _names() -> frozenset[str]:
    rows = [line.split("\t") for line in FILE.read_text(encoding="utf-8").splitlines()]
    return frozenset(name for row in rows for name in row[1].split(",") if name)
