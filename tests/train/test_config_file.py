"""`--config FILE.toml`: what it sets, what wins over it, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from indexer.cli.evaluate import evaluate
from indexer.cli.train import train
from searchengine.errors import ConfigError
from searchengine.models import files
from tests.support.configs import CONFIGS
from tests.support.drawn_captions import save_pairs
from tests.support.small_models import save_colour_model

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def run(*arguments: str | Path) -> Result:
    group = evaluate if arguments[0] == "retrieval" else train
    return CliRunner().invoke(group, [str(one) for one in arguments])


def test_training_takes_what_the_file_says_and_the_command_line_wins(tmp_path: Path) -> None:
    model = save_colour_model(tmp_path / "colours")
    config = tmp_path / "captioner.toml"
    config.write_text(
        f'pairs = "{save_pairs(tmp_path)}"\nmodel = "{model}"\nnote = ["licence=none"]\n'
        "epochs = 7\nleast = 1\nbatch = 8\nhidden = 16\nsmoothing = 0\n"
    )
    ran = run("captioner", "--config", config, "--out", tmp_path / "out", "--epochs", "1")
    assert ran.exit_code == 0, ran.output
    notes = files.read_config(tmp_path / "out").notes
    assert notes["licence"] == "none"
    expected = {"epochs": 1, "least": 1, "batch": 8, "hidden": 16, "smoothing": 0.0, "word": 256}
    assert {key: notes["config"][key] for key in expected} == expected


def test_evaluation_takes_its_options_from_the_file(tmp_path: Path) -> None:
    model = save_colour_model(tmp_path / "colours")
    pairs = save_pairs(tmp_path)
    config = tmp_path / "eval.toml"
    config.write_text(f'pairs = "{pairs}"\nmodel = "{model}"\nsplit = "train"\njson = true\n')
    from_file = run("retrieval", "--config", config)
    assert from_file.exit_code == 0, from_file.output
    assert json.loads(from_file.stdout)["images"] == 32
    on_dev = run("retrieval", "--config", config, "--split", "dev")
    assert json.loads(on_dev.stdout)["images"] == 16


@pytest.mark.parametrize(
    ("command", "text", "message"),
    [
        ("joint", "epoch = 3", "unknown key 'epoch'; known are also, backbone, batch, classes"),
        ("joint", 'pull = "6"', "pull: '6' is not a number"),
        ("joint", "pull = nan", "pull: nan is not a number"),
        ("joint", "batch = 1", "batch: 1 is not in the range x>=2."),
        ("joint", "epochs = true", "epochs: True is not a whole number"),
        ("joint", "epochs = -1", "epochs: -1 is not in the range x>=0."),
        ("joint", "dropout = 1.0", "dropout: 1.0 is not in the range 0<=x<1."),
        ("joint", 'also = "one.jsonl"', "also: 'one.jsonl' is not a list"),
        ("joint", "also = [1]", "also: 1 is not a text"),
        ("joint", 'device = "tpu"', "device: 'tpu' is not one of"),
        ("joint", "config = 'x.toml'", "unknown key 'config'"),
        ("joint", "epochs", "cannot be read ("),
        ("captioner", "hidden = 0", "hidden: 0 is not in the range x>=1."),
        ("captioner", 'cell = "rnn"', "cell: 'rnn' is not one of"),
        ("food", "fields = 3", "fields: 3 is not a table"),
        ("food", "[fields]\nnotes = 1", "unknown key 'notes'; known are body, ingredients, title"),
        ("food", "[fields]\ntitle = -1", "fields.title: -1.0 is not in the range x>=0"),
        ("words", 'phrases = "no"', "phrases: 'no' is not true or false"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(
    command: str, text: str, message: str, tmp_path: Path
) -> None:
    config = tmp_path / "odd.toml"
    config.write_text(text)
    ran = run(command, "--config", config)
    assert isinstance(ran.exception, ConfigError)
    assert str(ran.exception).startswith(f"{config}: ")
    assert message in str(ran.exception)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    ran = run("words", "--config", tmp_path / "none.toml", "corpus.txt")
    assert str(ran.exception).startswith(f"{tmp_path / 'none.toml'}: cannot be read (")


@pytest.mark.parametrize("name", CONFIGS)
def test_an_option_that_is_called_like_a_field_sets_it(name: str) -> None:
    # Otherwise a key of the file would have two meanings.
    config = CONFIGS[name]
    defaults = {field.name: getattr(config(), field.name) for field in fields(config)}
    both = {one.name: one for one in train.commands[name].params if one.name in defaults}
    for key, option in both.items():
        assert option.type.convert(defaults[key], None, None) == defaults[key]


def test_help_of_a_training_imports_no_torch() -> None:
    script = (
        "import sys; from searchengine.cli.main import main\n"
        "main(['train', 'joint', '--help'], standalone_mode=False)\n"
        "print(*{'torch', 'gensim', 'scipy'} & sys.modules.keys(), file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], env=os.environ, capture_output=True, text=True, check=True
    )
    assert "--config" in ran.stdout
    assert ran.stderr.strip() == ""
