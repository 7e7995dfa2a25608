"""Outputs of modelling, made up for the small battles."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost, CatBoostClassifier
from scipy.special import softmax

from arena_preference.battles import LABEL_COLUMNS, ORIGINAL_ORDER, SWAPPED_ORDER
from arena_preference.pipelines.modelling.boosting import list_tree_features
from arena_preference.pipelines.modelling.linear_model import Arrays, fit_on_votes
from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.targets import SOFT_LABELS

from ..modelling.conftest import CONFIG as MODELLING

INTERVAL = {"value": 0.9, "low": 0.8, "high": 1.0}
METRIC_NAMES = ("log_loss", "accuracy", "expected_calibration_error", "prior_log_loss", "length_log_loss")
NO_CURVE = pd.DataFrame(columns=["battles", "log_loss", "low", "high"], dtype=float)
NO_ABLATION = pd.DataFrame(columns=["left_out", "features", "log_loss", "difference", "low", "high"], dtype=float)


def set_probabilities(oof_predictions: pd.DataFrame, probabilities: np.ndarray, prefix: str = "") -> None:
    oof_predictions[[f"{prefix}{name}" for name in LABEL_COLUMNS]] = probabilities


def make_predictions(labels: np.ndarray, groups: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Out-of-fold predictions with these probabilities by all base models, the baselines being the class prior."""
    oof = pd.DataFrame(
        {"id": np.arange(len(labels)), "prompt_group": groups, "label": labels.astype("int8"), "fold": np.int8(0)}
    ).assign(source="train.csv")
    oof[SOFT_LABELS] = np.eye(3)[labels]
    prior = np.bincount(labels, minlength=3) / len(labels)
    for prefix in ("", "prior_", "length_", ORIGINAL_ORDER, SWAPPED_ORDER, "linear_"):
        set_probabilities(oof, prior if prefix in ("prior_", "length_") else probabilities, prefix)
    return oof


@dataclass
class Run:
    """All inputs of the pipeline."""

    oof_predictions: pd.DataFrame
    battles: pd.DataFrame
    model_input: pd.DataFrame
    linear_model: Arrays
    preference_model: CatBoost
    metrics: dict[str, Any]
    learning_curve: pd.DataFrame = field(default_factory=NO_CURVE.copy)
    cross_encoders: dict[str, Any] = field(default_factory=dict)
    ablation: pd.DataFrame = field(default_factory=NO_ABLATION.copy)

    @property
    def ingestion_summary(self) -> dict[str, Any]:
        """The first file is the main source; files called ai are voted on by AI."""
        sources = [
            {
                "source": name,
                "format": "competition",
                "voters": "AI" if name.startswith("ai") else "people",
                "battles": len(battles),
                "rejected": {"winner is missing": 2, "the same battle in another file": 1} if number else {},
                "prompts": int(battles["prompt_group"].nunique()),
                **dict(zip(("a", "b", "tie"), np.bincount(battles["label"], minlength=3).tolist(), strict=True)),
            }
            for number, (name, battles) in enumerate(self.oof_predictions.groupby("source", sort=False))
        ]
        return {"main_source": self.metrics["source"], "sources": sources}

    @property
    def feature_groups(self) -> dict[str, list[str]]:
        names = self.preference_model.feature_names_
        coordinates = [name for name in self.model_input if name.startswith("lsa_")]
        return {"text": [name for name in names if name not in coordinates], "LSA": coordinates}


@pytest.fixture
def config() -> ReportingConfig:
    return ReportingConfig(
        n_bins=5,
        n_resamples=100,
        length_bins=4,
        top_models=3,
        top_features=3,
        highest_loss_battles=4,
        excerpt_characters=100,
    )


@pytest.fixture
def run(battles: pd.DataFrame, rng: np.random.Generator) -> Run:
    """A run on 240 battles without names of models, with a rare prompt kind and one that never occurs."""
    a, b = (battles[name].map(lambda turns: len(turns[0])).to_numpy() for name in ("response_a", "response_b"))
    edge = np.log(a / b)
    probabilities = softmax(np.column_stack([edge, -edge, np.zeros(len(edge))]), axis=1)
    oof = make_predictions(battles["label"].to_numpy(), battles["prompt_group"].to_numpy(), probabilities)
    oof["id"] = battles["id"]
    set_probabilities(oof, probabilities[::-1], "linear_")
    features = pd.DataFrame(
        {
            "characters__reldiff": (a - b) / (a + b),
            "list_items__reldiff": rng.choice([-1.0, 0.0, 1.0], size=len(a)),
            "headers__reldiff": np.zeros(len(a)),
            "bold__reldiff": rng.choice([0.0, 1.0], size=len(a), p=[0.99, 0.01]),
            "kind_code__prompt": (rng.random(len(a)) < 0.1).astype(float),
            "kind_maths__prompt": np.zeros(len(a)),
            "english_share__prompt": rng.choice([0.0, 0.3], size=len(a)),
            "non_ascii_share__prompt": rng.choice([0.0, 0.9], size=len(a), p=[0.95, 0.05]),
            "lsa_000__diff": edge,
            "lsa_001__diff": rng.normal(size=len(a)),
        }
    ).astype("float32")
    ids = battles[["id"]]
    model_input = ids.join(features)
    votes = battles[["id", "label"]].assign(
        weight=1.0, **dict(zip(SOFT_LABELS, np.eye(3)[battles["label"]].T, strict=True))
    )
    linear_model = fit_on_votes(model_input, votes, MODELLING)
    model = CatBoostClassifier(
        loss_function="MultiClass", iterations=20, depth=3, thread_count=1, allow_writing_files=False, verbose=False
    ).fit(features[list_tree_features(features)], battles["label"])
    model.set_scale_and_bias(0.8, [0.0, 0.0, 0.0])
    return Run(
        oof_predictions=oof,
        battles=battles,
        # The tables of a run need not have the same order.
        model_input=model_input[::-1].reset_index(drop=True),
        linear_model=linear_model,
        preference_model=model,
        metrics={**dict.fromkeys(METRIC_NAMES, INTERVAL), "source": "train.csv", "battles": len(battles), "folds": 3},
    )


@pytest.fixture
def full_run(run: Run) -> Run:
    """A run with something to show in every part of the page."""
    run.learning_curve = pd.DataFrame({"battles": [160.0, 100.0], "log_loss": [0.9, 1.0], "low": 0.8, "high": 1.1})
    run.cross_encoders = {
        "history": [
            {"fold": fold, "step": 1, "epoch": 1.0, "loss": loss, "log_loss": log_loss}
            for fold, loss, log_loss in ((0, 1.0, None), (0, None, 0.91), (1, None, 0.95))
        ]
    }
    run.metrics["blend"] = {
        "cross_encoders": {"value": 0.96, "low": 0.93, "high": 0.99},
        "catboost": {"value": 0.86, "low": 0.83, "high": 0.89},
        "blend": {"value": 0.856, "low": 0.826, "high": 0.886},
        "difference": {"value": -0.004, "low": -0.007, "high": -0.001},
    }
    run.ablation = pd.DataFrame(
        {"left_out": ["embedding"], "features": 3, "log_loss": 0.95, "difference": 0.05, "low": 0.01, "high": 0.1}
    )
    run.metrics["bayes_optimal_log_loss"] = 0.8123
    run.battles["model_a"] = ["red", "green", "blue", "grey"] * 60
    run.battles["model_b"] = ["green", "blue", "grey", "red"] * 60
    run.battles["language"] = ["English", "German", None, "English"] * 60
    run.battles["category"] = ["code,hard", "code", "", None] * 60
    run.oof_predictions["fold"] = np.arange(240) % 3
    add_source(run, "ai_votes.csv", range(200, 240))
    run.metrics["battles"] = 200
    return run


def add_source(run: Run, name: str, rows: Sequence[int]) -> None:
    """Have some battles come from another file."""
    for table in (run.oof_predictions, run.battles):
        table.loc[list(rows), "source"] = name
