"""What the commands of `train` do without options is what their recipes say."""

from __future__ import annotations

from dataclasses import fields

import click
import pytest

from indexer.cli.train import train
from indexer.train import captioner, contrastive, food_closed, skipgram

RECIPES = {
    "joint": contrastive.Recipe,
    "captioner": captioner.Recipe,
    "food": food_closed.FoodRecipe,
    "words": skipgram.Recipe,
}


@pytest.mark.parametrize("name", RECIPES)
def test_default_of_an_option_is_that_of_the_recipe(name: str) -> None:
    command = train.commands[name]
    context = click.Context(command)
    options = {option.name: option.get_default(context) for option in command.params}
    recipe = {field.name: field.default for field in fields(RECIPES[name])}
    # Without a default of its own, an option leaves the recipe alone, or stands for something else.
    both = {key for key in recipe if isinstance(options.get(key), str | int | float)}
    assert "seed" in both
    assert {key: options[key] for key in both} == {key: recipe[key] for key in both}
