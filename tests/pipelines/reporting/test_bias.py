import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from arena_preference.battles import ORIGINAL_ORDER, SWAPPED_ORDER
from arena_preference.metrics import select_probabilities
from arena_preference.pipelines.reporting.bias import STYLES, measure_biases
from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.symmetry import swap_probabilities

from .conftest import make_predictions, set_probabilities

BATTLES = 3000


@pytest.fixture(scope="module")
def drawn() -> pd.DataFrame:
    """Predictions that are the probabilities from which the votes were drawn."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([2, 2, 2], size=BATTLES)
    labels = (rng.random((BATTLES, 1)) > probabilities.cumsum(axis=1)[:, :2]).sum(axis=1)
    return make_predictions(labels, np.arange(BATTLES) // 2, probabilities)


@pytest.fixture
def truth(drawn: pd.DataFrame) -> pd.DataFrame:
    return drawn.copy()


def lean(table: pd.DataFrame, rows: np.ndarray, shift: float) -> pd.DataFrame:
    """Move probability from B to A, or back, as far as there is any."""
    leaning = table.copy()
    moved = np.where(rows, np.clip(shift, -table["winner_model_a"], table["winner_model_b"]), 0.0)
    leaning["winner_model_a"] += moved
    leaning["winner_model_b"] -= moved
    return leaning


def measure(
    oof: pd.DataFrame,
    config: ReportingConfig,
    lengths: np.ndarray | None = None,
    styles: np.ndarray | None = None,
    **columns: list,
) -> dict:
    lengths = np.ones((len(oof), 2), dtype=int) if lengths is None else lengths
    responses = {f"response_{side}": [["x" * length] for length in lengths[:, k]] for k, side in enumerate("ab")}
    battles = pd.DataFrame({"id": oof["id"], "prompt": [["?"]] * len(oof), **responses, **columns})
    styles = np.zeros((len(oof), len(STYLES))) if styles is None else styles
    features = pd.DataFrame(styles, columns=[f"{style}__reldiff" for style in STYLES]).assign(id=oof["id"])
    audit = measure_biases(oof, battles, features, {"main_source": "train.csv"}, config, seed=0)
    assert json.loads(json.dumps(audit, allow_nan=False)) == audit
    return audit


def test_a_model_that_favours_the_first_response_is_exposed(
    truth: pd.DataFrame, rng: np.random.Generator, config: ReportingConfig
) -> None:
    base, lift = rng.dirichlet([8, 8, 8], size=BATTLES), np.array([0.1, -0.1, 0.0])
    set_probabilities(truth, base + lift, ORIGINAL_ORDER)
    set_probabilities(truth, base - lift, SWAPPED_ORDER)
    position = measure(truth, config)["position"]
    assert position["bias"]["value"] == pytest.approx(0.2)
    assert position["original_order"]["value"] - position["swapped_order"]["value"] == pytest.approx(0.4)
    assert position["flips"]["low"] > 0.3


def test_without_position_bias_neither_bias_nor_flips_are_measured(
    truth: pd.DataFrame, config: ReportingConfig
) -> None:
    position = measure(truth, config)["position"]
    assert position["bias"] == position["flips"] == {"value": 0, "low": 0, "high": 0}
    assert position["votes"]["low"] < position["averaged"]["value"] < position["votes"]["high"]


def test_swapping_every_battle_negates_the_margin(truth: pd.DataFrame, config: ReportingConfig) -> None:
    before = measure(truth, config)["position"]["original_order"]["value"]
    set_probabilities(truth, swap_probabilities(select_probabilities(truth)), ORIGINAL_ORDER)
    assert measure(truth, config)["position"]["original_order"]["value"] == pytest.approx(-before)


def test_the_audit_is_of_the_main_source_alone(truth: pd.DataFrame, config: ReportingConfig) -> None:
    lengths = np.tile([[5, 50]], (BATTLES, 1))
    of_source = measure(truth[:300], config, lengths[:300])
    truth.loc[300:, "source"] = "other.csv"
    assert measure(truth, config, lengths) == of_source


def test_a_model_that_trusts_the_longer_response_is_exposed_and_a_fair_one_is_not(
    truth: pd.DataFrame, rng: np.random.Generator, config: ReportingConfig
) -> None:
    lengths = rng.integers(1, 300, size=(BATTLES, 2))
    lengths[:50, 1] = lengths[:50, 0]
    a_is_longer = lengths[:, 0] > lengths[:, 1]
    trusting = lean(lean(truth, a_is_longer, 0.2), ~a_is_longer, -0.2)
    fair, biased = (pd.DataFrame(measure(oof, config, lengths)["verbosity"]) for oof in (truth, trusting))
    assert fair["bin"].tolist() == biased["bin"].tolist() == [0, 1, 2, 3, 4]
    assert fair["battles"][0] == fair["battles"][1:].sum() == (lengths[:, 0] != lengths[:, 1]).sum()
    assert fair["length_ratio"][1:].is_monotonic_increasing
    assert fair["difference_low"][0] < 0 < fair["difference_high"][0]
    assert (biased["difference_low"] > 0.05).all()
    assert (biased["observed"] == fair["observed"]).all()
    unequal = lengths[:, 0] != lengths[:, 1]
    wins = np.array([1.0, 0.0, 0.5])[truth["label"]]
    assert fair["observed"][0] == pytest.approx(np.where(a_is_longer, wins, 1 - wins)[unequal].mean())


def test_a_favoured_model_is_exposed_and_the_others_are_not(
    truth: pd.DataFrame, rng: np.random.Generator, config: ReportingConfig
) -> None:
    names = rng.choice(["pet", "NA", "third", "rare"], size=(BATTLES, 2), p=[0.35, 0.35, 0.25, 0.05])
    leaning = lean(lean(truth, names[:, 0] == "pet", 0.15), names[:, 1] == "pet", -0.15)
    columns = {"model_a": list(names[:, 0]), "model_b": list(names[:, 1])}
    audit = measure(leaning, config, **columns)
    table = pd.DataFrame(audit["self_enhancement"])
    assert table["model"][0] == "pet"
    assert set(table["model"]) == {"pet", "NA", "third"}
    assert table["battles"].sum() == (names != "rare").sum()
    assert table["difference_low"][0] > 0.02
    assert audit["models"] == 4
    fair = pd.DataFrame(measure(truth, config, **columns)["self_enhancement"])
    assert ((fair["difference_low"] < 0.02) & (fair["difference_high"] > -0.02)).all()


@pytest.mark.parametrize("named", [{}, {"model_a": [None] * BATTLES, "model_b": [None] * BATTLES}])
def test_battles_without_names_of_equal_length_and_style_leave_three_tables_empty(
    truth: pd.DataFrame, config: ReportingConfig, named: dict
) -> None:
    audit = measure(truth, config, **named)
    assert [audit[name] for name in ("verbosity", "self_enhancement", "formatting", "models")] == [[], [], [], 0]


def test_style_control_finds_what_sways_the_predictions_but_not_the_votes(
    truth: pd.DataFrame, rng: np.random.Generator, config: ReportingConfig
) -> None:
    styles = np.column_stack(
        [rng.uniform(-1, 1, BATTLES), rng.choice([-1, 0, 1], BATTLES), np.zeros(BATTLES), rng.choice([-1, 1], BATTLES)]
    )
    leaning = lean(lean(truth, styles[:, 3] > 0, 0.2), styles[:, 3] < 0, -0.2)
    table = pd.DataFrame(measure(leaning, config, styles=styles)["formatting"]).set_index("style")
    # Headers never differ.
    assert table.index.tolist() == ["characters", "list_items", "bold"]
    assert table.loc["bold", "difference_low"] > 0.4
    assert abs(table.loc["bold", "votes"]) < 0.15
    assert abs(table.loc["characters", "difference"]) < 0.15
    np.testing.assert_allclose(table["predictions"] - table["votes"], table["difference"], atol=1e-9)


def test_style_control_returns_the_coefficients_behind_the_votes_with_robust_intervals(
    rng: np.random.Generator, config: ReportingConfig
) -> None:
    size = 6000
    styles = rng.uniform(-1, 1, size=(size, 4))
    wins = 1 / (1 + np.exp(-(styles @ [2.0, 0.0, -1.0, 0.0])))
    labels = (rng.random(size) > wins).astype(int)
    oof = make_predictions(labels, np.arange(size), np.column_stack([wins, 1 - wins, 0 * wins]))
    found = pd.DataFrame(measure(oof, config, styles=styles)["formatting"])
    scaled = styles / np.sqrt((styles**2).mean(axis=0))
    expected = np.array([2.0, 0.0, -1.0, 0.0]) * np.sqrt((styles**2).mean(axis=0))
    np.testing.assert_allclose(found["predictions"], expected, atol=0.01)
    fit = LogisticRegression(C=1e6, tol=1e-8).fit(scaled, labels == 0)
    np.testing.assert_allclose(found["votes"], fit.coef_[0], atol=0.01)
    # The sandwich estimator, each battle being a cluster of its own.
    design = np.column_stack([scaled, np.ones(size)])
    probability = fit.predict_proba(scaled)[:, 1]
    bread = np.linalg.inv((design * (probability * (1 - probability))[:, None]).T @ design)
    scores = design * ((labels == 0) - probability)[:, None]
    errors = np.sqrt(np.diag(bread @ (scores.T @ scores) @ bread))[:4]
    np.testing.assert_allclose(found["votes_high"] - found["votes"], 1.96 * errors, rtol=0.02)
    # Predictions and votes differ by noise of the votes alone.
    np.testing.assert_allclose(found["difference_high"] - found["difference"], 1.96 * errors, rtol=0.1)


def test_battles_of_one_prompt_widen_the_intervals_of_style_control(
    truth: pd.DataFrame, rng: np.random.Generator, config: ReportingConfig
) -> None:
    once = truth[:500]
    styles = np.repeat(rng.uniform(-1, 1, size=(500, 4)), 4, axis=0)
    copies = once.loc[once.index.repeat(4)].assign(id=np.arange(2000), prompt_group=np.arange(2000) // 4)
    lone = copies.assign(prompt_group=np.arange(2000))
    widths = [
        pd.DataFrame(measure(table.reset_index(drop=True), config, styles=styles)["formatting"])
        .eval("votes_high - votes_low")
        .mean()
        for table in (copies, lone)
    ]
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.05)


def test_votes_that_a_style_separates_have_finite_coefficients(config: ReportingConfig) -> None:
    labels = np.tile([0, 1], 20)
    oof = make_predictions(labels, np.arange(40), np.tile([0.5, 0.5, 0.0], (40, 1)))
    styles = np.zeros((40, 4))
    styles[:, 0] = 1.0 - 2 * labels
    (found,) = measure(oof, config, styles=styles)["formatting"]
    assert 0 < found["votes_low"] < found["votes"] < 20
    assert found["predictions"] == pytest.approx(0, abs=1e-6)
