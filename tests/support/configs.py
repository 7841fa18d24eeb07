"""The configurations of the trainings, by the names of their commands."""

from __future__ import annotations

from indexer.train.captioner.config import CaptionerConfig
from indexer.train.food.config import FoodConfig
from indexer.train.joint.config import JointConfig
from indexer.train.words.config import SkipGramConfig

CONFIGS = {
    "joint": JointConfig,
    "captioner": CaptionerConfig,
    "food": FoodConfig,
    "words": SkipGramConfig,
}
