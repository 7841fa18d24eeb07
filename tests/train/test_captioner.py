"""A captioner trained for real on drawn pictures, and its folder."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from indexer.evaluation.attending import judge_caption
from indexer.evaluation.captions import score_captions
from indexer.readers.pairs import read_pairs
from indexer.train.captioner.data import CaptionData, extract_places
from indexer.train.captioner.guide import Guide
from indexer.train.captioner.model import IGNORED
from indexer.train.captioner.sureness import fit_sureness, is_mostly_true
from indexer.train.captioner.training import Progress, train_captioner
from searchengine.cli.main import main
from searchengine.errors import ModelError, QueryError, TrainingDataError
from searchengine.models import files
from searchengine.models.captioner.captioner import WEIGHTS, WORDS, Captioner
from searchengine.models.captioner.decoder import Attention, Cell
from searchengine.models.captioner.loading import load_captioner
from searchengine.models.captioner.words import END, START, UNKNOWN, CaptionWords, caption_words
from searchengine.models.joint import JointEncoder
from searchengine.types import Caption
from tests.support.drawn_captions import COLOURS, GRID, draw, sentence
from tests.support.small_models import SMALL, save_colour_model

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SHORT = dataclasses.replace(SMALL, epochs=3, hidden=8, word=6, dropout=0.3, sampling=0.5)


@pytest.fixture
def pairs(drawn_pairs: Path) -> Path:
    return drawn_pairs


@pytest.fixture(scope="module")
def encoder(colour_encoder: JointEncoder) -> JointEncoder:
    return colour_encoder


@pytest.fixture(scope="module")
def folder(drawn_captioner: Path) -> Path:
    return drawn_captioner


@pytest.fixture(scope="module")
def captioner(folder: Path, encoder: JointEncoder) -> Captioner:
    return Captioner(folder, encoder)


@pytest.mark.parametrize("width", [1, 3])
def test_it_says_what_new_pictures_show(captioner: Captioner, width: int) -> None:
    shown = [(left, right) for left in COLOURS for right in COLOURS]
    pictures = [draw(*colours, seed=500 + row) for row, colours in enumerate(shown)]
    found = captioner.caption(pictures, width=width)
    right = [one.text == sentence(*colours) for one, colours in zip(found, shown, strict=True)]
    assert sum(right) >= 15
    for one in found:
        assert one.text == " ".join(one.words)
        total = sum(one.logprobs) + one.end
        assert one.logprob == pytest.approx(total / (len(one.words) + 1))


def test_the_written_captioner_was_measured_and_notes_it(pairs: Path, captioner: Captioner) -> None:
    notes = files.read_config(captioner.folder).notes
    dev = [pair for pair in read_pairs(pairs) if pair.split == "dev"]
    said = [one.text for one in captioner.caption([pair.image for pair in dev])]
    scores, _ = score_captions(said, [pair.captions for pair in dev])
    assert notes["dev"] == {"beam": 3, **dataclasses.asdict(scores)}
    assert (notes["licence"], notes["pictures"]) == ("none", {"train": 32, "dev": 16})


def test_a_word_attends_to_what_it_names(captioner: Captioner) -> None:
    shown = [(left, right) for left in COLOURS for right in COLOURS if left != right]
    pictures = [draw(*colours, seed=700 + row) for row, colours in enumerate(shown)]
    on_its_half = []
    for (left, right), one in zip(shown, captioner.caption(pictures), strict=True):
        assert one.attention is not None
        assert one.attention.shape == (len(one.words), GRID, GRID)
        np.testing.assert_allclose(one.attention.sum((1, 2)), 1, atol=1e-5)
        for word, grid in zip(one.words, one.attention, strict=True):
            if word in (left, right):
                half = grid[:, : GRID // 2] if word == left else grid[:, GRID // 2 :]
                on_its_half.append(float(half.sum()))
    assert len(on_its_half) >= 20
    assert np.mean(np.array(on_its_half) > 0.5) > 0.75


@pytest.mark.parametrize(
    ("cell", "attention"), [("gru", "soft"), ("lstm", "none"), ("gru", "none")]
)
def test_other_cells_learn_too(
    pairs: Path,
    encoder: JointEncoder,
    folder: Path,
    tmp_path: Path,
    cell: Cell,
    attention: Attention,
) -> None:
    share_features(folder, tmp_path / "m")
    config = dataclasses.replace(SMALL, cell=cell, attention=attention, epochs=60, rate=2e-2)
    scores = train_captioner(pairs, tmp_path / "m", encoder, config)
    assert scores is not None
    assert scores.bleu4 > 75
    captioner = Captioner(tmp_path / "m", encoder)
    shown = [(left, right) for left in COLOURS for right in COLOURS]
    found = captioner.caption([draw(*colours, 900 + row) for row, colours in enumerate(shown)])
    right = [one.text == sentence(*colours) for one, colours in zip(found, shown, strict=True)]
    assert sum(right) >= 10
    [one] = captioner.caption([draw("red", "red", 900)])
    assert (one.attention is None) == (attention == "none")


@pytest.mark.parametrize(("cell", "attention"), [("lstm", "soft"), ("gru", "none")])
def test_letter_by_letter_it_spells_hello_from_h(
    encoder: JointEncoder, tmp_path: Path, cell: Cell, attention: Attention
) -> None:
    lines = []
    for number in range(8):
        draw("white", "white", number).save(tmp_path / f"{number}.png")
        text = "hello" if number % 2 else "world"
        lines.append(json.dumps({"image": f"{number}.png", "captions": [text], "split": "train"}))
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    config = dataclasses.replace(
        SMALL, cell=cell, attention=attention, level="characters", epochs=150
    )
    assert train_captioner(tmp_path / "pairs.jsonl", tmp_path / "m", encoder, config) is None
    spelled = Captioner(tmp_path / "m", encoder)
    picture = [draw("white", "white", 50)]
    assert [spelled.caption(picture, begin=letter)[0].text for letter in "hw"] == ["hello", "world"]
    with pytest.raises(QueryError, match="'x': a word that no caption has"):
        spelled.caption(picture, begin="x")


def share_features(folder: Path, out: Path) -> None:
    """Let a training find the features that another one has computed."""
    work = out.with_name(out.name + ".work")
    work.mkdir()
    for features in folder.with_name(folder.name + ".work").glob("places-*.npy"):
        shutil.copy(features, work)


def test_the_same_seed_interrupted_and_resumed_gives_the_same_captioner(
    pairs: Path, encoder: JointEncoder, folder: Path, tmp_path: Path
) -> None:
    def interrupt(stage: str) -> Progress:
        def progress(name: str, done: int, total: int, remark: str) -> None:
            if name.startswith(stage):
                raise KeyboardInterrupt

        return progress

    train_captioner(pairs, tmp_path / "a", encoder, SHORT)
    for stage in ("features", "epoch 1/", "epoch 3/"):
        with pytest.raises(KeyboardInterrupt):
            train_captioner(pairs, tmp_path / "b", encoder, SHORT, progress=interrupt(stage))
        assert not (tmp_path / "b").exists()
    stages: list[str] = []
    train_captioner(
        pairs, tmp_path / "b", encoder, SHORT, progress=lambda name, *_: stages.append(name)
    )
    assert set(stages) == {"epoch 3/3", "measuring"}
    a, b = (files.read_config(tmp_path / name) for name in "ab")
    assert a.fingerprint == b.fingerprint
    other = dataclasses.replace(SHORT, seed=2)
    share_features(folder, tmp_path / "c")
    train_captioner(pairs, tmp_path / "c", encoder, other)
    assert files.read_config(tmp_path / "c").fingerprint != a.fingerprint


def test_it_stops_when_dev_gets_no_better_and_keeps_the_best_epoch(
    pairs: Path, encoder: JointEncoder, folder: Path, tmp_path: Path
) -> None:
    share_features(folder, tmp_path / "m")
    config = dataclasses.replace(SMALL, epochs=40, patience=2, measure="bleu4", rate=5e-2)
    train_captioner(pairs, tmp_path / "m", encoder, config)
    epochs = files.read_config(tmp_path / "m").notes["epochs"]
    scores = [one["bleu4"] for one in epochs]
    best = int(np.argmax(scores))
    assert len(scores) == best + 3 < 40
    paths = [pair.image for pair in read_pairs(pairs) if pair.split == "dev"]
    wanted = [pair.captions for pair in read_pairs(pairs) if pair.split == "dev"]
    greedy = [one.text for one in Captioner(tmp_path / "m", encoder).caption(paths, width=1)]
    assert score_captions(greedy, wanted)[0].bleu4 == pytest.approx(scores[best], abs=3)


def test_a_training_begins_where_another_ended(
    pairs: Path, folder: Path, encoder: JointEncoder, tmp_path: Path
) -> None:
    gently = dataclasses.replace(SMALL, epochs=1, rate=1e-7, decay=0.0, guide=0.5)
    train_captioner(pairs, tmp_path / "next", encoder, gently, start=Captioner(folder, encoder))
    before = Captioner(folder, encoder).weights
    for name, after in Captioner(tmp_path / "next", encoder).weights.items():
        np.testing.assert_allclose(after, before[name], atol=1e-3)
    for keep in (0.0, 0.75):
        bold = dataclasses.replace(gently, rate=1e-2, keep=keep)
        train_captioner(
            pairs, tmp_path / f"keeps {keep}", encoder, bold, start=Captioner(folder, encoder)
        )
    moved, mixed = (Captioner(tmp_path / f"keeps {k}", encoder).weights for k in (0.0, 0.75))
    for name, start in before.items():
        np.testing.assert_allclose(mixed[name], 0.75 * start + 0.25 * moved[name], atol=2e-3)
    assert np.abs(moved["out.weight"] - before["out.weight"]).max() > 1e-2
    gru = dataclasses.replace(gently, cell="gru")
    with pytest.raises(TrainingDataError, match="is built in another way"):
        train_captioner(pairs, tmp_path / "other", encoder, gru, start=Captioner(folder, encoder))
    rare = dataclasses.replace(gently, least=20)
    with pytest.raises(TrainingDataError, match="vocabulary is not that of these captions"):
        train_captioner(pairs, tmp_path / "other", encoder, rare, start=Captioner(folder, encoder))


def test_guided_attention_comes_near_the_places_of_the_joint_model(
    pairs: Path, folder: Path, encoder: JointEncoder, tmp_path: Path
) -> None:
    guided = dataclasses.replace(SMALL, epochs=10, guide=2.0)
    train_captioner(pairs, tmp_path / "guided", encoder, guided, start=Captioner(folder, encoder))
    far = [divergence(Captioner(each, encoder), pairs) for each in (folder, tmp_path / "guided")]
    assert far[1] < 0.5 * far[0]


def divergence(captioner: Captioner, pairs: Path) -> float:
    """Return how far attention is from where the joint model finds the words of new captions."""
    encoder = captioner._encoder
    assert isinstance(encoder, JointEncoder)
    guide = Guide.of(encoder, captioner.words, [pair.image for pair in read_pairs(pairs)])
    features = encoder.encode_features([draw("red", "green", 501), draw("blue", "white", 502)])
    found = []
    for row, caption in enumerate(captioner.decode(features)):
        assert caption.attention is not None
        looks = torch.from_numpy(caption.attention.reshape(len(caption.words), -1))
        targets = torch.tensor([captioner.words.words.index(word) for word in caption.words])
        owner = torch.full_like(targets, row)
        found.append(float(guide.loss(torch.from_numpy(features), owner, targets, looks)))
    return float(np.mean(found))


def test_batches_hold_every_caption_once_by_falling_length(
    pairs: Path, encoder: JointEncoder, tmp_path: Path
) -> None:
    read = read_pairs(pairs)[:5]
    numbers = [[[3, 4], [5, UNKNOWN, 6]], [], [[7]], [[4, 4, 4, 4]], [[3]]]
    features = extract_places(encoder, [pair.image for pair in read], tmp_path)
    data = CaptionData(read, numbers, features)
    assert data.rows("train") == [row for row in (0, 2, 3, 4) if read[row].split == "train"]
    batch = data.batch(torch.tensor([0, 2, 3]))
    assert batch.lengths.tolist() == [5, 4, 3, 2]
    assert batch.owner.tolist() == [2, 0, 0, 1]
    assert batch.words.tolist()[1] == [START, 5, UNKNOWN, 6, END]
    assert batch.targets.tolist()[1] == [5, IGNORED, 6, END, IGNORED]
    assert batch.targets.tolist()[3] == [7, END, IGNORED, IGNORED, IGNORED]


def test_features_are_those_of_the_picture_and_of_its_mirror_image(
    pairs: Path, encoder: JointEncoder, tmp_path: Path
) -> None:
    paths = [pair.image for pair in read_pairs(pairs)[:3]]
    features = extract_places(encoder, paths, tmp_path)
    np.testing.assert_allclose(features[:, 0], encoder.encode_features(paths), atol=2e-3)
    mirrored = features[:, 0].reshape(3, GRID, GRID, -1)[:, :, ::-1].reshape(features[:, 1].shape)
    np.testing.assert_allclose(features[:, 1], mirrored, atol=2e-3)
    assert len(list(tmp_path.iterdir())) == 1


def test_another_joint_model_is_refused(
    folder: Path, encoder: JointEncoder, tmp_path: Path
) -> None:
    other = save_colour_model(tmp_path / "other", seed=4)
    with pytest.raises(ModelError, match=r"soft: reads the places of the joint model \w+, not of"):
        Captioner(folder, JointEncoder(other))
    with pytest.raises(ModelError, match="a model of kind 'joint', not a captioner"):
        Captioner(other, encoder)
    with pytest.raises(ModelError, match="not of"):
        load_captioner(str(folder), str(other))
    assert (
        load_captioner(str(folder), loaded=encoder).fingerprint
        == Captioner(folder, encoder).fingerprint
    )


@pytest.mark.parametrize("name", [WEIGHTS, WORDS])
def test_a_changed_file_is_refused_by_name(
    folder: Path, encoder: JointEncoder, tmp_path: Path, name: str
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}: not the file of this model"):
        Captioner(copy, encoder).caption([draw("red", "blue", 1)])


def test_weights_and_vocabulary_of_different_sizes_are_refused(
    folder: Path, encoder: JointEncoder, tmp_path: Path
) -> None:
    def write(fresh: Path) -> None:
        shutil.copy(folder / WEIGHTS, fresh)
        words = json.loads((folder / WORDS).read_text())
        (fresh / WORDS).write_text(json.dumps([*words, "extra"]))

    files.save(tmp_path / "m", files.read_config(folder), write)
    with pytest.raises(ModelError, match=r"weights for \d+ words, the vocabulary has \d+"):
        Captioner(tmp_path / "m", encoder).caption([draw("red", "blue", 1)])


def test_features_of_another_shape_are_refused(captioner: Captioner) -> None:
    with pytest.raises(ModelError, match=r"expects \(16, 8\) places and channels"):
        captioner.decode(np.zeros((1, 9, 8), dtype=np.float32))


def test_pairs_without_words_are_refused_and_nothing_is_written(
    pairs: Path, encoder: JointEncoder, tmp_path: Path
) -> None:
    config = dataclasses.replace(SHORT, least=1000)
    with pytest.raises(TrainingDataError, match="fewer than two training pictures with a caption"):
        train_captioner(pairs, tmp_path / "m", encoder, config)
    assert list(tmp_path.iterdir()) == []


def test_attention_is_judged_by_the_half_of_what_a_word_names() -> None:
    left, right = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)
    left[1, 0], right[0, 3] = 0.9, 0.9
    words = ("two", "dogs", "and", "a", "horse", "dog")
    grids = np.stack([left, left, right, left, left, right])
    caption = Caption("", words, (0.0,) * 6, 0.0, grids)
    found = judge_caption(caption, ["brown dog", "grass"], ["horse"])
    assert found == ["right", "wrong", "wrong"]
    with pytest.raises(ModelError, match="has no attention"):
        judge_caption(Caption("", words, (0.0,) * 6, 0.0), ["dog"], ["horse"])


def test_the_command_measures_attention(
    encoder: JointEncoder, folder: Path, tmp_path: Path
) -> None:
    entries = []
    for number, colour in enumerate(COLOURS):
        draw(colour, colour, 40 + number).save(tmp_path / f"{colour}.png")
        entries.append(json.dumps({"image": f"{colour}.png", "labels": [colour]}))
    (tmp_path / "labels.jsonl").write_text("\n".join(entries))
    command = ["eval", "attention", "--labels", str(tmp_path / "labels.jsonl"), "--json"]
    options = ["--model", str(encoder.folder), "--captioner", str(folder), "--pairs", "12"]
    result = CliRunner().invoke(main, [*command, *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)
    assert scores["composites"] == 12
    assert 20 <= scores["said"] <= 24
    assert scores["right"] > 75
    assert scores["right"] + scores["middle"] + scores["wrong"] == pytest.approx(100, abs=0.02)


def test_sureness_is_how_often_captions_of_that_probability_were_right() -> None:
    random = np.random.default_rng(3)
    logprobs = random.uniform(-3, 0, 4000)
    right = random.random(4000) < 1 / (1 + np.exp(-(2.5 * logprobs + 3.5)))
    fitted = fit_sureness(logprobs.tolist(), right.tolist())
    assert fitted.slope == pytest.approx(2.5, abs=0.25)
    assert fitted.offset == pytest.approx(3.5, abs=0.35)
    assert fitted.confidence(-1.4) == pytest.approx(0.5, abs=0.03)
    falling = fit_sureness(logprobs.tolist(), (~right).tolist())
    assert falling.confidence(-3) == falling.confidence(0) == pytest.approx(1 - right.mean(), 0.01)
    for share in (True, False):
        assert math.isfinite(fit_sureness([-1.0, -1.0], [share, share]).confidence(-1.0))


def test_most_of_a_true_caption_is_named_by_people() -> None:
    people = ["A brown dog runs on the grass", "the dog is running outside"]
    assert is_mostly_true("a dog running on grass", people)
    assert is_mostly_true("a black dog", people)
    assert not is_mostly_true("a man and a black cat run", people)
    assert not is_mostly_true("it is on the", people)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (90, 120, 30)])
@pytest.mark.parametrize("size", [(1, 1), (300, 40)])
def test_a_picture_of_one_colour_is_not_sure(
    captioner: Captioner, tmp_path: Path, colour: tuple[int, int, int], size: tuple[int, int]
) -> None:
    Image.new("RGB", size, colour).save(tmp_path / "flat.jpg")
    flat, drawn = captioner.caption([tmp_path / "flat.jpg", draw("red", "blue", 9)])
    assert (flat.sure, flat.confidence) == (False, 0.0)
    assert 1 <= len(flat.words) <= 24
    assert drawn.sure


def test_captions_become_words_and_back() -> None:
    assert caption_words("A dog's T-shirt , CAFÉ & it’s 2nd !") == [
        "a", "dog's", "t-shirt", "cafe", "it's", "2nd",
    ]  # fmt: skip
    texts = ["a t-shirt", "a t-shirt", "a tri-colored dog", "two colored dogs", "tri"]
    words = CaptionWords.build(texts, least=2)
    assert words.words[3:] == ("a", "colored", "t-shirt", "tri")
    numbers = words.numbers("A tri-colored t-shirt, unseen")
    said = [words.words[one] for one in numbers]
    assert said == ["a", "tri", "colored", "t-shirt", "<unknown>"]
    assert words.text([START, *numbers[:2], END]) == "a tri"


def naive_bleu(captions: list[str], references: list[list[str]], order: int) -> float:
    """Corpus BLEU from its definition (Papineni 2002), the nearest reference's length."""
    said = [caption.split() for caption in captions]
    wanted = [[text.split() for text in texts] for texts in references]
    logs = 0.0
    for n in range(1, order + 1):
        hits = total = 0
        for words, texts in zip(said, wanted, strict=True):
            grams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
            most: Counter[tuple[str, ...]] = Counter()
            for text in texts:
                most |= Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))
            hits += sum((grams & most).values())
            total += sum(grams.values())
        logs += math.log(hits / total)
    length = sum(map(len, said))
    nearest = sum(
        min((abs(len(text) - len(words)), len(text)) for text in texts)[1]
        for words, texts in zip(said, wanted, strict=True)
    )
    brevity = min(0.0, 1 - nearest / length)
    return 100 * math.exp(logs / order + brevity)


def naive_cider(captions: list[str], references: list[list[str]]) -> float:
    """CIDEr-D from its definition (arXiv 1411.5726, section on CIDEr-D), sigma 6."""

    def grams(text: str, n: int) -> Counter[tuple[str, ...]]:
        words = text.split()
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    count, total = len(captions), 0.0
    for n in range(1, 5):
        seen = Counter(g for texts in references for g in {g for t in texts for g in grams(t, n)})

        def weigh(
            text: str, n: int = n, seen: Counter[tuple[str, ...]] = seen
        ) -> dict[tuple[str, ...], float]:
            return {
                g: c * (math.log(count) - math.log(max(1, seen[g])))
                for g, c in grams(text, n).items()
            }

        for caption, texts in zip(captions, references, strict=True):
            a = weigh(caption)
            for text in texts:
                b = weigh(text)
                lengths = [math.sqrt(sum(v * v for v in one.values())) for one in (a, b)]
                if not all(lengths):
                    continue
                dot = sum(min(v, b[g]) * b[g] for g, v in a.items() if g in b)
                gap = len(caption.split()) - len(text.split())
                total += (
                    dot / (lengths[0] * lengths[1]) * math.exp(-gap * gap / 72) / len(texts) / 4
                )
    return 1000 * total / count


def test_scores_are_those_of_their_definitions() -> None:
    captions = ["a dog runs on the green grass", "two men play football", "a red car on a street"]
    references = [
        ["A dog runs over the grass .", "a brown dog is running on green grass"],
        ["Two men play a game of football", "men play football outside, don't they?"],
        ["a red car on the street", "the red car stands on a street"],
    ]
    plain = [[text.lower().replace(" .", "").replace(",", "").replace("?", "") for text in texts]
             for texts in references]  # fmt: skip
    scores, each = score_captions(captions, references)
    for order, found in enumerate((scores.bleu1, scores.bleu2, scores.bleu3, scores.bleu4), 1):
        assert found == pytest.approx(naive_bleu(captions, plain, order), abs=0.01)
    assert scores.cider == pytest.approx(naive_cider(captions, plain), abs=0.01)
    assert np.mean(each) == pytest.approx(scores.cider, abs=0.01)
    assert (scores.distinct, scores.images) == (100.0, 3)
    assert scores.words == pytest.approx(17 / 3, abs=0.01)
    twice, _ = score_captions([captions[0]] * 3, references)
    assert twice.distinct == pytest.approx(33.33)
    with pytest.raises(TrainingDataError, match="without a reference"):
        score_captions(["a dog"], [["!"]])


def test_the_commands_train_and_measure(
    pairs: Path, encoder: JointEncoder, folder: Path, tmp_path: Path
) -> None:
    share_features(folder, tmp_path / "m")
    joint = str(encoder.folder)
    options = ["--pairs", str(pairs), "--model", joint]
    command = ["train", "captioner", *options, "--out", str(tmp_path / "m"), "--cell", "gru"]
    command += ["--epochs", "2", "--least", "1", "--note", "licence=CC0", "--json"]
    trained = CliRunner().invoke(main, command, catch_exceptions=False)
    assert trained.exit_code == 0, trained.output
    scores = json.loads(trained.stdout)
    assert scores["bleu1"] == files.read_config(tmp_path / "m").notes["dev"]["bleu1"]

    command = ["eval", "captions", *options, "--captioner", str(folder), "--beam", "2", "--json"]
    measured = CliRunner().invoke(
        main, [*command, "--out", str(tmp_path / "said.jsonl")], catch_exceptions=False
    )
    assert measured.exit_code == 0, measured.output
    scores = json.loads(measured.stdout)
    assert (scores["beam"], scores["images"]) == (2, 16)
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    wanted = {pair.image.name: pair.captions for pair in read_pairs(pairs) if pair.split == "dev"}
    assert [entry["image"] for entry in said] == list(wanted)
    again, _ = score_captions([entry["caption"] for entry in said], list(wanted.values()))
    assert again.cider == scores["cider"]
    assert all(entry["logprob"] < 0 for entry in said)
