"""The NumPy decoder against PyTorch, and beam search against trying every sentence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from indexer.train.captioner.model import IGNORED, CaptionModel, Shape, caption_loss, packed
from searchengine.models.captioner.beam import EXPONENT, search
from searchengine.models.captioner.decoder import Attention, Cell, Decoder
from searchengine.models.captioner.words import END, START, UNKNOWN

pytestmark = pytest.mark.usefixtures("one_torch_thread")

CELLS: tuple[Cell, ...] = ("lstm", "gru")
ATTENTIONS: tuple[Attention, ...] = ("soft", "none")
KINDS: list[tuple[Cell, Attention]] = [
    (cell, attention) for cell in CELLS for attention in ATTENTIONS
]
PLACES, CHANNELS, WORDS = 6, 5, 9


def make(
    cell: Cell, attention: Attention, seed: int = 0, vocabulary: int = WORDS, scale: float = 1.0
) -> tuple[CaptionModel, Decoder]:
    torch.manual_seed(seed)
    shape = Shape(CHANNELS, vocabulary, cell, attention, hidden=8, word=7, energy=4)
    model = CaptionModel(shape).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(scale * torch.randn_like(weight) / 2)
    return model, Decoder(model.weights(), cell, attention)


def pictures(count: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, PLACES, CHANNELS)).astype(np.float32)


@pytest.mark.parametrize(("cell", "attention"), KINDS)
def test_every_step_in_numpy_is_that_of_torch(cell: Cell, attention: Attention) -> None:
    model, decoder = make(cell, attention)
    features, owner = pictures(2), [1, 0, 1]
    words = torch.tensor([[START, 3, 8, 5, 4], [START, 7, 7, 3, 6], [START, 2, 4, 4, 8]])
    lengths = torch.tensor([5, 4, 2])
    with torch.inference_mode():
        logits, looks = model(torch.from_numpy(features), torch.tensor(owner), words, lengths)
    expected = logits.log_softmax(1).numpy()
    order = packed(torch.arange(15).view(3, 5), lengths).tolist()
    assert order == [0, 5, 10, 1, 6, 11, 2, 7, 3, 8, 4]
    state = decoder.start(features).select(np.array(owner))
    seen = np.zeros((3, PLACES))
    for step in range(words.shape[1]):
        logprobs, state, alpha = decoder.step(state, words[:, step].numpy())
        alive = lengths.numpy() > step
        rows = [order.index(5 * caption + step) for caption in np.flatnonzero(alive)]
        np.testing.assert_allclose(logprobs[alive], expected[rows], atol=2e-5)
        np.testing.assert_allclose(np.exp(logprobs).sum(1), 1, atol=1e-5)
        if alpha is not None:
            np.testing.assert_allclose(alpha.sum(1), 1, atol=1e-6)
            np.testing.assert_allclose(alpha[alive], looks.each.numpy()[rows], atol=1e-5)
            seen += alpha * alive[:, None]
    if attention == "soft":
        np.testing.assert_allclose(seen, looks.total.numpy(), atol=1e-5)
    else:
        assert looks is None


@pytest.mark.parametrize("cell", CELLS)
def test_the_cell_is_that_of_torch(cell: Cell) -> None:
    model, decoder = make(cell, "none")
    reference = (nn.LSTMCell if cell == "lstm" else nn.GRUCell)(7, 8)
    reference.weight_ih, reference.bias_ih = model.words.weight, model.words.bias
    reference.weight_hh, reference.bias_hh = model.recurrent.weight, model.recurrent.bias
    features = pictures(3)
    state = decoder.start(features)
    with torch.inference_mode():
        mean = torch.relu(model.places(torch.from_numpy(features))).mean(1)
        hidden = reference(model.picture(mean))
        for word in ([START] * 3, [4, 5, 3], [7, 7, 8]):
            _, state, _ = decoder.step(state, np.array(word))
            hidden = reference(model.embedding(torch.tensor(word)), hidden)
            new = hidden[0] if cell == "lstm" else hidden
            np.testing.assert_allclose(state.hidden, new.numpy(), atol=1e-6)


def test_scheduled_sampling_reads_the_models_own_words() -> None:
    model, _ = make("lstm", "soft")
    features = torch.from_numpy(pictures(1))
    owner, lengths = torch.zeros(40, dtype=torch.int64), torch.full((40,), 4)

    def logits_after(word: int, sampling: float) -> torch.Tensor:
        words = torch.tensor([[START, word, word, word]] * 40)
        torch.manual_seed(1)
        with torch.inference_mode():
            result: torch.Tensor = model(features, owner, words, lengths, sampling)[0]
        return result

    torch.testing.assert_close(logits_after(3, 1.0), logits_after(4, 1.0))
    forced, mixed = logits_after(3, 0.0), logits_after(3, 0.5)
    same = (forced[40:80] - mixed[40:80]).abs().amax(1) < 1e-6
    assert 8 <= int(same.sum()) <= 32  # about half of the second words are as given
    torch.testing.assert_close(forced[:40], mixed[:40])


def test_the_loss_counts_known_words_and_uneven_attention() -> None:
    logits = torch.randn(6, WORDS, generator=torch.Generator().manual_seed(2))
    targets = torch.tensor([4, 5, END, 6, END, IGNORED])
    got = torch.tensor([[1.0, 2.0], [0.5, 0.5]])
    loss = caption_loss(logits, targets, got, smoothing=0.1, spread=2.0)
    total = 0.0
    for row, word in enumerate([4, 5, END, 6, END]):
        logprobs = logits[row] - logits[row].exp().sum().log()
        total -= 0.9 * float(logprobs[word]) + 0.1 * float(logprobs.mean())
    expected = total / 5 + 2.0 * (0 + 1 + 0.25 + 0.25) / 4
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def naive_total(decoder: Decoder, features: np.ndarray, words: tuple[int, ...]) -> float:
    """Return the log-probability of a sentence, its end included."""
    state, total = decoder.start(features), 0.0
    for before, word in zip((START, *words), (*words, END), strict=True):
        logprobs, state, _ = decoder.step(state, np.array([before]))
        total += float(logprobs[0, word])
    return total


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(0, 10_000),
    st.sampled_from([0.0, EXPONENT, 1.0]),
    st.integers(1, 3),
)
def test_a_wide_beam_finds_the_best_of_all_sentences(
    kind: tuple[Cell, Attention], seed: int, exponent: float, longest: int
) -> None:
    _, decoder = make(*kind, seed=seed, vocabulary=5, scale=2.0)
    features = pictures(2, seed)
    found = search(decoder, features, width=40, longest=longest, exponent=exponent)
    for picture, line in enumerate(found):
        of_all = {
            words: naive_total(decoder, features[picture : picture + 1], words)
            / (len(words) + 1) ** exponent
            for length in range(1, longest + 1)
            for words in itertools.product((3, 4), repeat=length)
        }
        best = max(of_all.values())
        assert line.words[-1] == END
        assert of_all[line.words[:-1]] == pytest.approx(best, abs=1e-4)
        assert line.score(exponent) == pytest.approx(best, abs=1e-4)
        assert sum(line.logprobs) == pytest.approx(line.total, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 7))
def test_pictures_together_get_what_each_gets_alone(
    kind: tuple[Cell, Attention], seed: int, width: int, longest: int
) -> None:
    _, decoder = make(*kind, seed=seed, scale=2.0)
    features = pictures(4, seed)
    together = search(decoder, features, width=width, longest=longest)
    for picture, line in enumerate(together):
        [alone] = search(decoder, features[picture : picture + 1], width=width, longest=longest)
        assert line.words == alone.words
        assert not {START, UNKNOWN} & set(line.words)
        assert 1 <= len(line.words) - 1 <= longest
        assert line.words.index(END) == len(line.words) - 1


@pytest.mark.parametrize(("cell", "attention"), KINDS)
def test_a_beam_of_one_takes_the_most_probable_word_each_time(
    cell: Cell, attention: Attention
) -> None:
    _, decoder = make(cell, attention, seed=3)
    features = pictures(3)
    for picture, line in enumerate(search(decoder, features, width=1, longest=6)):
        state, word = decoder.start(features[picture : picture + 1]), START
        words: list[int] = []
        while word != END:
            logprobs, state, alpha = decoder.step(state, np.array([word]))
            order = np.argsort(-logprobs[0])
            allowed = [int(one) for one in order if one not in (START, UNKNOWN)]
            if not words:
                allowed.remove(END)
            word = END if len(words) == 6 else allowed[0]
            assert line.logprobs[len(words)] == pytest.approx(float(logprobs[0, word]), abs=1e-5)
            if alpha is not None:
                assert line.attention is not None
                np.testing.assert_allclose(line.attention[len(words)], alpha[0], atol=1e-6)
            words.append(word)
        assert tuple(words) == line.words


def test_a_sentence_goes_on_from_its_beginning() -> None:
    _, decoder = make("gru", "soft", seed=4)
    features = pictures(2)
    for line in search(decoder, features, width=3, longest=4, begin=(7, 3)):
        assert line.words[:2] == (7, 3)
    for line in search(decoder, features, width=2, longest=2, begin=(5, 5)):
        assert line.words == (5, 5, END)
