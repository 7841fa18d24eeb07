"""What the commands of `train` do without options is what their configurations say."""

from __future__ import annotations

from dataclasses import fields

import click
import pytest

from indexer.cli.train import train
from tests.support.configs import CONFIGS


@pytest.mark.parametrize("name", CONFIGS)
def test_default_of_an_option_is_that_of_the_configuration(name: str) -> None:
    command = train.commands[name]
    context = click.Context(command)
    options = {option.name: option.get_default(context) for option in command.params}
    defaults = {field.name: field.default for field in fields(CONFIGS[name])}
    # Without a default of its own, an option leaves the configuration alone, or stands for
    # something else.
    both = {key for key in defaults if isinstance(options.get(key), str | int | float)}
    assert "seed" in both
    assert {key: options[key] for key in both} == {key: defaults[key] for key in both}
