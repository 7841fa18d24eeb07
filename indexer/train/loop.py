"""A training loop that knows nothing of the model it trains."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from searchengine.errors import TrainingDataError

Metrics = Mapping[str, float]


class Task(Protocol):
    """What is trained: a module, its optimiser, its batches and its measure."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    steps: int
    """Batches in an epoch."""

    def batches(self) -> Iterable[Any]:
        """Yield the batches of one epoch, drawn from torch's global generator."""
        ...

    def loss(self, batch: Any) -> Tensor:
        """Return the loss of one batch, a scalar."""
        ...

    def evaluate(self) -> Metrics:
        """Return the metrics on data kept apart."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what else must survive an interruption."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` returned."""
        ...


Report = Callable[[int, int, int, float, float], None]
"""Called after each step with epoch, step, steps, mean loss of the epoch and seconds in it."""


def fit(
    task: Task,
    *,
    epochs: int,
    seed: int,
    checkpoint: Path,
    signature: str,
    on_step: Report | None = None,
    on_epoch: Callable[[int, Metrics], None] | None = None,
    is_enough: Callable[[list[Metrics]], bool] | None = None,
) -> list[Metrics]:
    """Train for some epochs under a one-cycle schedule (arXiv 1708.07120).

    Each epoch is seeded by itself and ends with a checkpoint, so that a resumed run ends with the
    very weights of one that was never interrupted.

    Args:
        task: What to train; its optimiser's learning rates are the peaks of the cycle.
        epochs: How many; at least one.
        seed: Decides batches, dropout and augmentation.
        checkpoint: Where to write; an existing one of the same signature is resumed.
        signature: Names everything that decides the result; another signature starts afresh.
        on_step: Told about every step.
        on_epoch: Told about every epoch and its metrics.
        is_enough: Asked before every epoch with the metrics so far whether to stop here.

    Returns:
        The metrics after each epoch.

    Raises:
        TrainingDataError: The loss is not finite.
    """
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        task.optimizer,
        max_lr=[group["lr"] for group in task.optimizer.param_groups],
        total_steps=epochs * task.steps,
    )
    history = _resume(task, schedule, checkpoint, signature)
    for epoch in range(len(history), epochs):
        if is_enough and is_enough(history):
            break
        torch.manual_seed(seed * 10_007 + epoch)
        started, total = time.perf_counter(), 0.0
        for step, batch in enumerate(task.batches(), 1):
            loss = task.loss(batch)
            if not bool(torch.isfinite(loss)):
                raise TrainingDataError(
                    f"the loss is {loss.item()} in epoch {epoch + 1}, step {step}; "
                    "lower the learning rate, or look for captions that repeat endlessly"
                )
            task.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            task.optimizer.step()
            schedule.step()
            total += float(loss.detach())
            if on_step:
                on_step(epoch, step, task.steps, total / step, time.perf_counter() - started)
        history.append(dict(task.evaluate()))
        _write(task, schedule, checkpoint, signature, history)
        if on_epoch:
            on_epoch(epoch, history[-1])
    return history


def _resume(
    task: Task, schedule: torch.optim.lr_scheduler.LRScheduler, path: Path, signature: str
) -> list[Metrics]:
    if not path.exists():
        return []
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if saved["signature"] != signature:
        return []
    task.module.load_state_dict(saved["module"])
    task.optimizer.load_state_dict(saved["optimizer"])
    schedule.load_state_dict(saved["schedule"])
    task.restore(saved["state"])
    history: list[Metrics] = json.loads(saved["history"])
    return history


def _write(
    task: Task,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    path: Path,
    signature: str,
    history: list[Metrics],
) -> None:
    fresh = path.with_suffix(".new")
    torch.save(
        {
            "signature": signature,
            "module": task.module.state_dict(),
            "optimizer": task.optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "state": task.state(),
            "history": json.dumps(history),
        },
        fresh,
    )
    os.replace(fresh, path)
