"""The training loop on a small real network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from indexer.train.loop import Metrics, fit
from searchengine.errors import TrainingDataError

pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Line:
    """Fit a line with dropout, random batches and a running memory beside the module."""

    steps = 4

    def __init__(self, stop_at: int | None = None, poison: int | None = None) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Linear(8, 1))
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(self.module.parameters(), lr=0.05)
        self.memory = torch.zeros(1)
        self.calls, self.stop_at, self.poison = 0, stop_at, poison

    def batches(self) -> Iterator[Tensor]:
        self.module.train()
        for _ in range(self.steps):
            yield torch.randn(16, 3)

    def loss(self, batch: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        error: Tensor = (self.module(batch)[:, 0] - batch.sum(1)).square().mean()
        self.memory = 0.9 * self.memory + error.detach()
        return error * float("nan") if self.calls == self.poison else error + 0.01 * self.memory[0]

    def evaluate(self) -> Metrics:
        return {"memory": float(self.memory)}

    def state(self) -> dict[str, Any]:
        return {"memory": self.memory}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.memory = state["memory"]


def run(task: Line, folder: Path, signature: str = "s", epochs: int = 5) -> list[Metrics]:
    return fit(task, epochs=epochs, seed=3, checkpoint=folder / "c.pt", signature=signature)


def same_weights(left: Line, right: Line) -> bool:
    states = left.module.state_dict(), right.module.state_dict()
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0])


# The last step of an epoch, the first of the next, and some in the middle; the first epoch too.
@pytest.mark.parametrize("stop_at", [1, 3, 4, 5, 10, 20])
def test_an_interrupted_run_resumes_to_the_very_weights(tmp_path: Path, stop_at: int) -> None:
    whole = Line()
    (tmp_path / "whole").mkdir()
    history = run(whole, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(Line(stop_at=stop_at), tmp_path)
    resumed = Line()
    torch.randn(100)  # whatever happened to the generator in between
    assert run(resumed, tmp_path) == history
    assert resumed.calls == whole.calls - (stop_at - 1) // Line.steps * Line.steps
    assert same_weights(resumed, whole)
    assert torch.equal(resumed.memory, whole.memory)


def test_a_finished_run_trains_no_more_and_has_its_weights(tmp_path: Path) -> None:
    first, second = Line(), Line()
    assert run(first, tmp_path) == run(second, tmp_path)
    assert second.calls == 0
    assert same_weights(first, second)


def test_another_signature_starts_afresh(tmp_path: Path) -> None:
    first, second = Line(), Line()
    run(first, tmp_path, "one")
    run(second, tmp_path, "two")
    assert second.calls == first.calls
    assert same_weights(first, second)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    tasks = Line(), Line()
    for seed, task in enumerate(tasks):
        fit(task, epochs=1, seed=seed, checkpoint=tmp_path / f"{seed}.pt", signature="s")
    assert not same_weights(*tasks)


def test_training_learns(tmp_path: Path) -> None:
    task = Line()
    run(task, tmp_path, epochs=60)
    task.module.eval()
    inputs = torch.randn(50, 3)
    assert (task.module(inputs)[:, 0] - inputs.sum(1)).abs().mean() < 0.3


def test_a_loss_that_is_no_number_is_an_error_and_keeps_the_last_epoch(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="the loss is nan in epoch 2, step 3"):
        run(Line(poison=7), tmp_path)
    healed = Line()
    assert len(run(healed, tmp_path)) == 5
    assert healed.calls == 4 * Line.steps


def test_steps_and_epochs_are_reported(tmp_path: Path) -> None:
    steps: list[tuple[int, int, int]] = []
    epochs: list[int] = []
    fit(
        Line(),
        epochs=2,
        seed=1,
        checkpoint=tmp_path / "c.pt",
        signature="s",
        on_step=lambda epoch, step, total, *_: steps.append((epoch, step, total)),
        on_epoch=lambda epoch, _: epochs.append(epoch),
    )
    assert steps == [(epoch, step, 4) for epoch in range(2) for step in range(1, 5)]
    assert epochs == [0, 1]
