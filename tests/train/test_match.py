"""Questions made from captions, what is fitted on them, and how it is measured."""

from __future__ import annotations

import dataclasses
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.evaluation.concepts import Concepts, named, stem
from indexer.evaluation.match import Judged, measure
from indexer.evaluation.questions import TOP, Question, ask
from indexer.train.match.fit import fit, train_match
from indexer.train.match.material import prepare
from searchengine.errors import ModelError, TrainingDataError
from searchengine.models import files
from searchengine.models.calibration import FEATURES, GROUP, KINDS, Calibration
from searchengine.vectors import unit_rows
from tests.support.colour_encoder import COLOURS, ColourEncoder

ENCODER = ColourEncoder()


@pytest.mark.parametrize(
    ("one", "other"),
    [("dog", "dogs"), ("run", "running"), ("man", "men"), ("child", "children"), ("ride", "rode")],
)
def test_inflections_share_a_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("dog", "dock"), ("cat", "cattle"), ("ski", "sky")])
def test_other_words_do_not(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_words_and_near_pairs_of_a_caption_are_named() -> None:
    counts = named(["A brown and white dog .", "The dog is running", "Snow-covered hill"])
    assert counts[(stem("dog"),)] == 2
    assert counts[(stem("brown"), stem("dog"))] == 1
    assert counts[(stem("dog"), stem("runs"))] == 1
    assert counts[(stem("snow"),)] == 1  # the parts of a hyphenated word count
    assert (stem("dog"), stem("brown")) not in counts
    assert not any("and" in concept or "the" in concept for concept in counts)


def test_a_pair_with_more_words_between_is_not_named() -> None:
    far = named(["a black cat near an old white dog"])
    assert (stem("black"), stem("dog")) not in far
    assert (stem("white"), stem("dog")) in far


def lesson() -> Concepts:
    """Teach: everybody says dog; few say leash; ocean brings water, water does not bring ocean."""
    dogs = [["a dog runs", "the dog", "a dog on a leash" if n < 3 else "dogs"] for n in range(30)]
    seas = [["the ocean", "blue water", "an ocean"] for _ in range(25)]
    lakes = [["the water", "water", "a lake"] for _ in range(75)]
    rest = [["nobody", "empty street", "street"] for _ in range(200)]
    return Concepts([*dogs, *seas, *lakes, *rest])


def test_captions_judge_what_people_agree_on() -> None:
    concepts = lesson()
    judged = {concepts.spelling[concept] for concept in concepts.judged()}
    assert {"dog", "ocean", "water", "street"} <= judged
    assert "leash" not in judged
    assert "empty street" not in judged  # only ever one of the captions


def test_a_word_brings_along_what_it_implies_and_not_the_other_way_round() -> None:
    concepts = lesson()
    ocean, water = stem("ocean"), stem("water")
    assert concepts.may_show(named(["an ocean"]), (water,))
    assert concepts.may_show(named(["a leash"]), (stem("dog"),)) is False  # 3 pictures: no support
    assert not concepts.may_show(named(["a street"]), (water,))
    assert ocean in concepts.bringing(water)
    assert water not in concepts.bringing("street")


def question(right: list[int], maybe: list[int], vector: np.ndarray) -> Question:
    def flags(rows: list[int]) -> np.ndarray:
        return np.isin(np.arange(40), rows)

    return Question(
        "words", "x", vector, flags(right), flags(right), flags(right + maybe), flags([]), 2
    )


def test_each_question_is_asked_with_and_without_its_answers() -> None:
    pictures = unit_rows(np.random.default_rng(0).normal(size=(40, 8)))
    library = np.arange(40) < 30
    one = question([1, 2, 35], [3], pictures[1])
    present, absent = ask([one], pictures, library)
    assert (present.present, absent.present) == (True, False)
    scores = pictures @ pictures[1]
    doubtful = 3  # may show it, but no caption says so
    for each, rows in ((present, {*range(30)} - {doubtful}), (absent, [0, *range(4, 30)])):
        expected = sorted(rows, key=lambda row: -scores[row])[:TOP]
        assert each.hits.tolist() == expected
        assert each.right.tolist() == [row in (1, 2, 35) for row in expected]
    assert not absent.right.any()


def test_a_question_with_one_answer_in_the_library_is_only_asked_without() -> None:
    pictures = unit_rows(np.random.default_rng(0).normal(size=(40, 8)))
    asked = ask([question([1, 35], [], pictures[1])], pictures, np.arange(40) < 30)
    assert [each.present for each in asked] == [False]


def test_figures_are_those_of_naive_counting() -> None:
    random = np.random.default_rng(4)
    judged = Judged(
        random.random((50, TOP), dtype=np.float32),
        random.random((50, TOP)) < 0.3,
        random.random((70, TOP), dtype=np.float32) ** 4,
    )
    scores = measure((judged, 0.9, 0.3))
    right = wrong = wrong_absent = found = silent = nothing = 0
    for matches, flags in zip(judged.present, judged.right, strict=True):
        likely = [flag for match, flag in zip(matches, flags, strict=True) if match >= 0.9]
        right += sum(likely)
        wrong += len(likely) - sum(likely)
        found += any(likely)
    for matches in judged.absent:
        wrong_absent += sum(match >= 0.9 for match in matches)
        silent += all(match < 0.9 for match in matches)
        nothing += all(match < 0.3 for match in matches)
    assert scores.precision_likely == pytest.approx(100 * right / (right + wrong), abs=0.01)
    assert scores.precision_all == pytest.approx(
        100 * right / (right + wrong + wrong_absent), abs=0.01
    )
    assert scores.present_found == pytest.approx(100 * found / 50, abs=0.01)
    firsts = [
        [(match >= 0.3, flag) for match, flag in zip(*both, strict=True)][:5]
        for both in zip(judged.present, judged.right, strict=True)
    ]
    maybe_right = sum((True, True) in first for first in firsts)
    right_at_all = sum(any(flag for _, flag in first) for first in firsts)
    assert scores.first_found == pytest.approx(100 * maybe_right / 50, abs=0.01)
    assert scores.first_reachable == pytest.approx(100 * right_at_all / 50, abs=0.01)
    assert scores.absent_silent == pytest.approx(100 * silent / 70, abs=0.01)
    assert scores.absent_nothing == pytest.approx(100 * nothing / 70, abs=0.01)
    assert (scores.present, scores.absent) == (50, 70)


def test_error_is_nothing_for_true_matches_and_large_for_boasts() -> None:
    random = np.random.default_rng(5)
    matches = random.random((4000, 2), dtype=np.float32)
    right = random.random((4000, 2)) < matches
    nobody = np.zeros((0, 2), dtype=np.float32)
    assert measure((Judged(matches, right, nobody), 0.5, 0.1)).error < 2
    boast = Judged(np.full((100, 2), 0.95, np.float32), np.zeros((100, 2), bool), nobody)
    assert measure((boast, 0.5, 0.1)).error == pytest.approx(95, abs=0.1)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Paint noisy pictures of one or two colours, captioned by five people."""
    folder = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(1)
    lines = []
    opposite = ({"black", "white"}, {"yellow", "blue"})  # this encoder adds them up to nothing
    twos = [two for two in product(sorted(COLOURS), repeat=2) if set(two) not in opposite]
    for number in range(360):
        top, bottom = twos[int(random.integers(len(twos)))]
        pixels = np.empty((32, 32, 3))
        pixels[:16], pixels[16:] = COLOURS[top], COLOURS[bottom]
        noisy = (pixels + random.normal(0, 40, pixels.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number}.png")
        captions = [f"{top} over {bottom}", f"{top} {bottom}", bottom, f"it is {top}", "nothing"]
        split = "train" if number < 240 else "dev"
        lines.append({"image": f"{number}.png", "captions": captions, "split": split})
    path = folder / "captions.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    def write_weights(fresh: Path) -> None:
        (fresh / "w.npy").write_bytes(b"weights")

    config = files.ModelConfig("colours", "colours", ENCODER.dim, {"size": 32}, {})
    files.save(tmp_path / "m", config, write_weights)
    return tmp_path / "m"


def test_a_calibration_is_fitted_and_written_without_a_new_fingerprint(
    pairs: Path, model: Path
) -> None:
    before = files.read_config(model)
    figures = train_match(model, prepare(ENCODER, pairs)).captions
    after = files.read_config(model)
    assert after.fingerprint == before.fingerprint
    assert dataclasses.replace(after, attachments={}) == before
    parts = files.attached(model, after, GROUP)
    calibration = Calibration.load(parts[".json"], parts[".npy"])
    red = ENCODER.encode_texts(["red"])
    shown = Image.new("RGB", (32, 32), COLOURS["red"]), Image.new("RGB", (32, 32), COLOURS["blue"])
    right, wrong = calibration.match(red, ENCODER.encode_images(shown), ["words"])[0]
    assert right > 0.8 > 0.2 > wrong
    words = figures["words"]
    assert words.present >= 10
    assert words.precision_likely > 80  # colours are easy for who sees colours
    assert words.absent_silent > 60
    train_match(model, prepare(ENCODER, pairs))  # again gives the same files, and no others
    assert files.read_config(model) == after
    assert sorted(p.name for p in model.iterdir()) == sorted(
        ["config.json", "w.npy", *(part.name for part in parts.values())]
    )


def test_one_kind_of_query_is_fitted_again_and_the_others_stay(pairs: Path, model: Path) -> None:
    material = prepare(ENCODER, pairs)
    fit_all = fit(material.backgrounds, [source.whole() for source in material.sources])
    kept = dataclasses.replace(material, spread=dict)  # the old backgrounds do, none is measured
    bands = {kind: {"likely": 0.99, "maybe": 0.98} for kind in KINDS}
    curves = {kind: {"one": 0.25, **dict.fromkeys(FEATURES[1:], 0.0)} for kind in KINDS}
    old = Calibration(fit_all.backgrounds, curves, bands, {"pairs": "older.jsonl"}, ["words"])
    figures = train_match(model, kept, kinds=["picture"], old=old)
    assert set(figures.captions) == {"picture"}
    (asked,) = figures.pictures.values()
    assert asked.asked == len(material.captions.questions["picture"])
    parts = files.attached(model, files.read_config(model), GROUP)
    now = Calibration.load(parts[".json"], parts[".npy"])
    others = [kind for kind in KINDS if kind != "picture"]
    assert [now.curves[kind] for kind in others] == [curves[kind] for kind in others]
    assert [now.bands[kind] for kind in others] == [bands[kind] for kind in others]
    assert now.wide == ("words", "picture")
    assert now.curves["picture"] == pytest.approx(fit_all.curves["picture"])
    assert now.bands["picture"] == pytest.approx(fit_all.bands["picture"])
    assert now.curves["picture"]["size"] <= 0


def test_a_changed_calibration_is_named_and_the_model_still_there(pairs: Path, model: Path) -> None:
    train_match(model, prepare(ENCODER, pairs))
    config = files.read_config(model)
    path = files.attached(model, config, GROUP)[".npy"]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=rf"{path.name}: not the file of this model"):
        files.attached(model, config, GROUP)
    assert files.verify(model, config, "w.npy") == model / "w.npy"


def test_a_failing_fit_leaves_the_old_calibration(pairs: Path, model: Path, tmp_path: Path) -> None:
    train_match(model, prepare(ENCODER, pairs))
    before = {path.name: path.read_bytes() for path in model.iterdir()}

    def fail(folder: Path) -> None:
        (folder / "match.json").write_text("{")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.attach(model, GROUP, fail)
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


def test_right_answers_are_those_whose_captions_name_the_colour(pairs: Path) -> None:
    material = prepare(ENCODER, pairs)
    entries = [json.loads(line) for line in pairs.read_text().splitlines()]
    captions = [entry["captions"] for entry in entries if entry["split"] == "dev"]
    questions = material.captions.questions
    single = {q.text: q for q in questions["words"] if q.text in COLOURS}
    assert set(single) == set(COLOURS)
    for text, one in single.items():
        assert one.right.tolist() == [any(text in c.split() for c in five) for five in captions]
        assert (one.maybe | ~one.right).all()
    assert all(questions[kind] for kind in KINDS)


def test_pairs_without_a_split_or_without_concepts_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "x.png")
    lines = [{"image": "x.png", "captions": ["a red thing"], "split": "train"}]
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(lines[0]))
    with pytest.raises(TrainingDataError, match=r"pairs\.jsonl: no captioned .* 'dev'"):
        prepare(ENCODER, path)
    Image.new("RGB", (32, 32)).save(tmp_path / "y.png")
    lines.append({"image": "y.png", "captions": ["a red thing"], "split": "dev"})
    path.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(TrainingDataError, match=r"pairs\.jsonl: captions agree on 0 concepts"):
        prepare(ENCODER, path)


def test_writer_draws_the_same_questions_from_the_same_seed(pairs: Path) -> None:
    one, other = (prepare(ENCODER, pairs, seed=3).captions.questions for _ in range(2))
    for kind in KINDS:
        assert [q.text for q in one[kind]] == [q.text for q in other[kind]]
        assert np.array_equal([q.vector for q in one[kind]], [q.vector for q in other[kind]])
