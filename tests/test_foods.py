"""What ingredients are, told by pairs that were written down before the code ran on them."""

from __future__ import annotations

from functools import cache

import inflect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchengine.errors import QuerySyntaxError
from searchengine.foods import FILE, fold, is_food, matches

# Name of an ingredient, food that is wanted, whether --with takes it, whether --without leaves it out.
PAIRS = [
    ("boneless chicken thighs", "chicken", True, True),
    ("chicken breasts", "chicken", True, True),
    ("chicken broth", "chicken", True, True),
    ("chickpeas", "chicken", False, False),
    ("eggs", "egg", True, True),
    ("egg", "eggs", True, True),
    ("egg yolks", "egg", True, True),
    ("eggplant", "egg", False, False),
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
