import numpy as np
import pandas as pd
import pytest

from arena_preference.pipelines.reporting.bias import (
    measure_formatting_bias,
    measure_position_bias,
    measure_self_enhancement,
    measure_verbosity_bias,
)
from arena_preference.pipelines.reporting.bias_figures import (
    plot_formatting_bias,
    plot_self_enhancement,
    plot_verbosity_bias,
)
from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.symmetry import swap_probabilities

from .conftest import add_first_level, make_predictions

BATTLES = 3000


@pytest.fixture
def truth(rng: np.random.Generator) -> pd.DataFrame:
    """Predictions that are the probabilities from which the verdicts were drawn."""
    probabilities = rng.dirichlet([2, 2, 2], size=BATTLES)
    labels = np.array([rng.choice(3, p=row) for row in probabilities])
    return make_predictions(labels, np.arange(BATTLES) // 2, probabilities)


def lean(table: pd.DataFrame, rows: np.ndarray, shift: float) -> pd.DataFrame:
    """Move probability from B to A, or back, as far as there is any."""
    leaning = table.copy()
    moved = np.where(rows, np.clip(shift, -table["winner_model_a"], table["winner_model_b"]), 0.0)
    leaning["winner_model_a"] += moved
    leaning["winner_model_b"] -= moved
    return leaning


def write_battles(truth: pd.DataFrame, lengths: np.ndarray, **columns: list[str]) -> pd.DataFrame:
    answers = {side: [["x" * length] for length in column] for side, column in zip("ab", lengths.T, strict=True)}
    return pd.DataFrame(
        {
            "id": truth["id"],
            "prompt": [["?"]] * len(truth),
            "response_a": answers["a"],
            "response_b": answers["b"],
            "prompt_group": truth["prompt_group"],
            **columns,
        }
    )


def test_a_predictor_that_favours_the_first_answer_is_exposed(
    truth: pd.DataFrame, rng: np.random.Generator, options: ReportingConfig
) -> None:
    base = rng.dirichlet([8, 8, 8], size=BATTLES)
    lift = np.array([0.1, -0.1, 0.0])
    biased = add_first_level(truth["id"], catboost_in_order=base + lift, catboost_swapped=base - lift)
    found = measure_position_bias(truth, biased, options, seed=0)
    assert found["bias"]["value"] == pytest.approx(0.2)
    assert found["in_order"]["value"] - found["swapped"]["value"] == pytest.approx(0.4)
    assert found["flips"]["low"] > 0.3


def test_a_predictor_without_a_place_it_favours_is_not_accused(truth: pd.DataFrame, options: ReportingConfig) -> None:
    same = truth.iloc[:, 4:7].to_numpy()
    fair = add_first_level(truth["id"], catboost_in_order=same, catboost_swapped=same)
    found = measure_position_bias(truth, fair, options, seed=0)
    assert found["bias"] == {"value": 0, "low": 0, "high": 0}
    assert found["flips"] == {"value": 0, "low": 0, "high": 0}
    assert found["observed"]["low"] < found["averaged"]["value"] < found["observed"]["high"]


def test_swapping_every_battle_negates_the_leads(truth: pd.DataFrame, options: ReportingConfig) -> None:
    probabilities = truth.iloc[:, 4:7].to_numpy()
    first = add_first_level(truth["id"], catboost_in_order=probabilities, catboost_swapped=probabilities)
    mirrored = swap_probabilities(probabilities)
    second = add_first_level(truth["id"], catboost_in_order=mirrored, catboost_swapped=mirrored)
    leads = [measure_position_bias(truth, table, options, 0)["in_order"]["value"] for table in (first, second)]
    assert leads[0] == pytest.approx(-leads[1])


def test_a_predictor_that_trusts_the_longer_answer_is_exposed_and_a_fair_one_is_not(
    truth: pd.DataFrame, rng: np.random.Generator, options: ReportingConfig
) -> None:
    lengths = rng.integers(1, 300, size=(BATTLES, 2))
    lengths[:50, 1] = lengths[:50, 0]
    battles = write_battles(truth, lengths)
    a_is_longer = lengths[:, 0] > lengths[:, 1]
    fair = measure_verbosity_bias(truth, battles, options, seed=0)
    trusting = lean(lean(truth, a_is_longer, 0.2), ~a_is_longer, -0.2)
    biased = measure_verbosity_bias(trusting, battles, options, seed=0)
    assert fair["bin"].tolist() == biased["bin"].tolist() == [0, 1, 2, 3, 4]
    assert fair["battles"][0] == fair["battles"][1:].sum() == (lengths[:, 0] != lengths[:, 1]).sum()
    assert fair["times_longer"][1:].is_monotonic_increasing
    assert fair["difference_low"][0] < 0 < fair["difference_high"][0]
    assert (biased["difference_low"] > 0.05).all()
    assert (biased["observed"] == fair["observed"]).all()


def test_without_a_longer_answer_there_is_no_bias_to_show(truth: pd.DataFrame, options: ReportingConfig) -> None:
    table = measure_verbosity_bias(truth, write_battles(truth, np.ones((BATTLES, 2), dtype=int)), options, seed=0)
    assert table.empty
    assert not plot_verbosity_bias(table).axes


def test_a_favoured_chatbot_is_exposed_and_the_others_are_not(
    truth: pd.DataFrame, rng: np.random.Generator, options: ReportingConfig
) -> None:
    names = rng.choice(["pet", "$math$ bot", "第三 bot", "rare"], size=(BATTLES, 2), p=[0.35, 0.35, 0.25, 0.05])
    battles = write_battles(truth, np.ones((BATTLES, 2), dtype=int), model_a=names[:, 0], model_b=names[:, 1])
    leaning = lean(lean(truth, names[:, 0] == "pet", 0.15), names[:, 1] == "pet", -0.15)
    table = measure_self_enhancement(leaning, battles, options, seed=0)
    assert table["chatbot"][0] == "pet"
    assert table["difference_low"][0] > 0.02
    assert len(table) == 3
    assert table["chatbots"].tolist() == [4, 4, 4]
    fair = measure_self_enhancement(truth, battles, options, seed=0)
    assert ((fair["difference_low"] < 0.02) & (fair["difference_high"] > -0.02)).all()
    # Names are drawn as they are read, whatever letters they hold.
    plot_self_enhancement(table).canvas.draw()


@pytest.mark.parametrize("named", [{}, {"model_a": [None] * BATTLES, "model_b": [None] * BATTLES}])
def test_battles_without_names_give_no_audit_of_chatbots(
    truth: pd.DataFrame, options: ReportingConfig, named: dict
) -> None:
    table = measure_self_enhancement(truth, write_battles(truth, np.ones((BATTLES, 2), dtype=int), **named), options, 0)
    assert table.empty
    assert not plot_self_enhancement(table).axes


def test_style_control_finds_what_sways_the_predictions_but_not_the_verdicts(
    truth: pd.DataFrame, rng: np.random.Generator, options: ReportingConfig
) -> None:
    bold = rng.choice([-1.0, 1.0], size=BATTLES)
    features = pd.DataFrame(
        {
            "id": truth["id"],
            "characters__share": rng.uniform(-1, 1, size=BATTLES),
            "list_items__share": rng.choice([-1.0, 0.0, 1.0], size=BATTLES),
            "headers__share": 0.0,
            "bold__share": bold,
        }
    )
    leaning = lean(lean(truth, bold > 0, 0.2), bold < 0, -0.2)
    table = measure_formatting_bias(leaning, features, options, seed=0).set_index("style")
    # Headers never differ.
    assert table.index.tolist() == ["characters", "list_items", "bold"]
    assert table.loc["bold", "difference_low"] > 0.4
    assert abs(table.loc["bold", "verdicts"]) < 0.15
    assert abs(table.loc["characters", "difference"]) < 0.15
    for name in ("verdicts", "predictions", "difference"):
        assert ((table[f"{name}_low"] <= table[name]) & (table[name] <= table[f"{name}_high"])).all()


def test_style_control_gives_the_coefficients_behind_the_verdicts(
    rng: np.random.Generator, options: ReportingConfig
) -> None:
    shares = rng.uniform(-1, 1, size=(20000, 4))
    wins = 1 / (1 + np.exp(-(shares @ [2.0, 0.0, -1.0, 0.0])))
    labels = (rng.random(20000) > wins).astype(int)
    table = make_predictions(labels, np.arange(20000), np.column_stack([wins, 1 - wins, 0 * wins]))
    names = [f"{style}__share" for style in ("characters", "list_items", "headers", "bold")]
    features = pd.DataFrame(shares, columns=names).assign(id=table["id"])
    found = measure_formatting_bias(table, features, options, seed=0)
    expected = np.array([2.0, 0.0, -1.0, 0.0]) * np.sqrt((shares**2).mean(axis=0))
    np.testing.assert_allclose(found["predictions"], expected, atol=0.01)
    np.testing.assert_allclose(found["verdicts"], expected, atol=0.06)
    widths = found["verdicts_high"] - found["verdicts_low"]
    assert widths.between(0.04, 0.12).all()


def test_verdicts_that_a_style_separates_have_finite_coefficients(options: ReportingConfig) -> None:
    labels = np.tile([0, 1], 20)
    table = make_predictions(labels, np.arange(40), np.tile([0.5, 0.5, 0.0], (40, 1)))
    features = pd.DataFrame({"id": table["id"], "characters__share": 1.0 - 2 * labels})
    features[["list_items__share", "headers__share", "bold__share"]] = 0.0
    found = measure_formatting_bias(table, features, options, seed=0)
    assert np.isfinite(found.drop(columns="style").to_numpy()).all()
    assert found["verdicts_low"][0] > 0
    nothing = measure_formatting_bias(table, features.assign(characters__share=0.0), options, seed=0)
    assert nothing.empty
    assert not plot_formatting_bias(nothing).axes
