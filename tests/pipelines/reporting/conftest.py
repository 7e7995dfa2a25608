"""Stand-ins for what modelling hands to the report, made of the small battles."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost, CatBoostClassifier
from scipy.special import softmax

from arena_preference.battles import LABEL_COLUMNS
from arena_preference.pipelines.reporting.config import ReportingConfig

NO_CURVE = pd.DataFrame(columns=["battles", "log_loss", "low", "high"], dtype=float)
NO_HISTORY = pd.DataFrame(columns=["fold", "step", "epoch", "loss", "log_loss"], dtype=float)
NO_ABLATION = pd.DataFrame(columns=["left_out", "features", "log_loss", "difference", "low", "high"], dtype=float)


def tabulate(probabilities: np.ndarray, prefix: str = "") -> pd.DataFrame:
    return pd.DataFrame(probabilities, columns=[f"{prefix}{name}" for name in LABEL_COLUMNS])


def add_first_level(ids: pd.Series, **probabilities: np.ndarray) -> pd.DataFrame:
    tables = [tabulate(values, f"{name}_") for name, values in probabilities.items()]
    return pd.concat([ids.reset_index(drop=True), *tables], axis=1)


def make_predictions(labels: np.ndarray, groups: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Out-of-fold predictions with these probabilities, the baselines being the class prior."""
    prior = np.tile(np.bincount(labels, minlength=3) / len(labels), (len(labels), 1))
    parts = {"id": np.arange(len(labels)), "prompt_group": groups, "fold": 0, "label": labels.astype("int8")}
    tables = [tabulate(probabilities), tabulate(prior, "prior_"), tabulate(prior, "length_")]
    return pd.concat([pd.DataFrame(parts), *tables], axis=1)


@dataclass
class Run:
    """All that the pipeline reads."""

    oof_predictions: pd.DataFrame
    base_model_predictions: pd.DataFrame
    battles: pd.DataFrame
    model_input: pd.DataFrame
    preference_model: CatBoost
    metrics: dict[str, Any]
    learning_curve: pd.DataFrame = field(default_factory=NO_CURVE.copy)
    finetuning_history: pd.DataFrame = field(default_factory=NO_HISTORY.copy)
    blend_metrics: pd.DataFrame = field(default_factory=pd.DataFrame)
    ablation: pd.DataFrame = field(default_factory=NO_ABLATION.copy)
    simulation_summary: dict[str, Any] = field(default_factory=dict)

    @property
    def feature_groups(self) -> dict[str, list[str]]:
        names = self.preference_model.feature_names_
        latent = [name for name in names if name.startswith("latent_")]
        return {"text": [name for name in names if name not in latent], "latent": latent}


@pytest.fixture
def options() -> ReportingConfig:
    return ReportingConfig(
        n_bins=5,
        top_features=3,
        n_resamples=100,
        length_bins=4,
        top_models=3,
        highest_loss_battles=4,
        excerpt_characters=100,
    )


@pytest.fixture
def run(battles: pd.DataFrame, rng: np.random.Generator) -> Run:
    """A run on 240 battles without chatbots' names, with a rare class and a kind of prompt that never occurs."""
    a, b = (battles[name].map(lambda turns: len(turns[0])).to_numpy() for name in ("response_a", "response_b"))
    edge = np.log(a / b)
    probabilities = softmax(np.column_stack([edge, -edge, np.zeros(len(edge))]), axis=1)
    oof = make_predictions(battles["label"].to_numpy(), battles["prompt_group"].to_numpy(), probabilities)
    oof["id"] = battles["id"]
    features = pd.DataFrame(
        {
            "characters__share": (a - b) / (a + b),
            "list_items__share": rng.choice([-1.0, 0.0, 1.0], size=len(a)),
            "headers__share": np.zeros(len(a)),
            "bold__share": rng.choice([0.0, 1.0], size=len(a), p=[0.99, 0.01]),
            "kind_code__prompt": (rng.random(len(a)) < 0.1).astype(float),
            "kind_maths__prompt": np.zeros(len(a)),
            "english_share__prompt": rng.choice([0.0, 0.3], size=len(a)),
            "non_ascii_share__prompt": rng.choice([0.0, 0.9], size=len(a), p=[0.95, 0.05]),
            "latent_000__diff": rng.normal(size=len(a)),
        }
    ).astype("float32")
    model = CatBoostClassifier(
        loss_function="MultiClass", iterations=20, depth=3, thread_count=1, allow_writing_files=False, verbose=False
    ).fit(features, battles["label"])
    model.set_scale_and_bias(0.8, [0.0, 0.0, 0.0])
    features.insert(0, "id", battles["id"])
    interval = {"value": 0.9, "low": 0.8, "high": 1.0}
    names = ("log_loss", "accuracy", "expected_calibration_error", "prior_log_loss", "length_log_loss")
    return Run(
        oof_predictions=oof,
        base_model_predictions=add_first_level(
            oof["id"], catboost_in_order=probabilities, catboost_swapped=probabilities, ngrams=probabilities[::-1]
        ),
        battles=battles,
        model_input=features,
        preference_model=model,
        metrics={**dict.fromkeys(names, interval), "battles": len(battles), "folds": 3},
    )
