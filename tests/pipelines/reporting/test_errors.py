import numpy as np
import pandas as pd
import pytest

from arena_preference.metrics import select_probabilities
from arena_preference.pipelines.modelling.boosting import predict_logits
from arena_preference.pipelines.modelling.fitting import join_tables
from arena_preference.pipelines.modelling.linear_model import predict_linear_logits
from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.pipelines.reporting.errors import (
    clean_text,
    cut_turns,
    find_highest_loss_battles,
    score_slices,
)

from .conftest import Run, add_source, set_probabilities


def score(run: Run, config: ReportingConfig) -> pd.DataFrame:
    return score_slices(run.oof_predictions, run.battles, run.model_input, run.ingestion_summary, config, seed=0)


def count(slices: pd.DataFrame, dimension: str) -> dict[str, int]:
    """Battles of each slice."""
    return slices[slices["dimension"] == dimension].set_index("slice")["battles"].to_dict()


def find(run: Run, config: ReportingConfig) -> list[dict]:
    return find_highest_loss_battles(
        run.oof_predictions, run.battles, run.model_input, run.linear_model, run.preference_model, config
    )


def test_the_slices_of_a_dimension_hold_every_battle_once(run: Run, config: ReportingConfig) -> None:
    run.battles.at[0, "prompt"] = ["one", None, "three"]
    run.battles.at[1, "prompt"] = []
    slices = score(run, config)
    exclusive = slices[slices["dimension"] != "prompt kind"]
    assert exclusive.groupby("dimension")["battles"].sum().tolist() == [240] * 4
    assert ((slices["low"] <= slices["value"]) & (slices["value"] <= slices["high"])).all()
    assert count(slices, "turns") == {"1 turn": 239, "3 or more": 1}
    # A kind without prompts has no row.
    assert list(count(slices, "prompt kind")) == ["code", "none of these"]


def test_a_slice_on_which_the_predictions_fail_has_the_higher_log_loss(run: Run, config: ReportingConfig) -> None:
    code = run.model_input.set_index("id").loc[run.oof_predictions["id"], "kind_code__prompt"].to_numpy() > 0
    right = np.eye(3)[run.oof_predictions["label"]] * 0.94 + 0.02
    set_probabilities(run.oof_predictions, np.where(code[:, None], np.roll(right, 1, axis=1), right))
    slices = score(run, config).set_index("slice")
    assert slices.loc["code", "value"] == pytest.approx(-np.log(0.02))
    assert slices.loc["none of these", "value"] == pytest.approx(-np.log(0.96))
    assert slices.loc["code", "battles"] == code.sum()


def test_base_models_disagree_where_a_cross_encoder_does(run: Run, config: ReportingConfig) -> None:
    set_probabilities(run.oof_predictions, select_probabilities(run.oof_predictions), "linear_")
    assert score(run, config).set_index("slice")["battles"].get("some disagree") is None
    other = np.tile([0.1, 0.1, 0.8], (240, 1))
    set_probabilities(run.oof_predictions, other, "cross_encoder_")
    assert score(run, config).set_index("slice")["battles"]["some disagree"] > 100


def test_features_without_prompt_kinds_yield_no_slices_of_them(run: Run, config: ReportingConfig) -> None:
    run.model_input = run.model_input.drop(columns=["kind_code__prompt", "kind_maths__prompt"])
    assert "prompt kind" not in set(score(run, config)["dimension"])


def test_without_names_and_with_one_file_there_are_no_slices_of_them(run: Run, config: ReportingConfig) -> None:
    run.battles["language"] = None
    run.battles["category"] = ""
    assert not {"language", "category", "models", "source"} & set(score(run, config)["dimension"])


def test_a_battle_is_in_each_of_its_categories_and_in_one_language(run: Run, config: ReportingConfig) -> None:
    run.battles["category"] = ["hard, code", "code", None, " ,"] * 60
    run.battles["language"] = ["German", "Chinese, simplified", "", "German"] * 60
    slices = score(run, config)
    assert count(slices, "category") == {"code": 120, "hard": 60, "not given": 120}
    assert count(slices, "language") == {"German": 120, "Chinese, simplified": 60, "not given": 60}


def test_names_with_few_battles_share_a_slice_that_counts_them(run: Run, config: ReportingConfig) -> None:
    run.battles["language"] = ["frequent"] * 200 + [f"rare {number:02}" for number in range(40)]
    languages = count(score(run, config), "language")
    assert len(languages) == 13
    assert languages["frequent"] == 200
    assert languages["rare 10"] == 1
    assert languages["all others: 29"] == 29


def test_a_model_is_seen_if_it_occurs_in_another_fold(run: Run, config: ReportingConfig) -> None:
    run.oof_predictions["fold"] = [0, 1] * 120
    run.battles["model_a"] = ["usual", "usual", "new", "usual", "new", None] * 40
    run.battles["model_b"] = ["usual", "usual", "usual", "usual", "newer", "usual"] * 40
    models = count(score(run, config), "models")
    assert models == {"both seen": 120, "one unseen": 40, "both unseen": 40, "not given": 40}


def test_models_of_other_files_are_seen(run: Run, config: ReportingConfig) -> None:
    run.oof_predictions["fold"] = np.arange(240) // 120
    run.battles["model_a"], run.battles["model_b"] = "x", "y"
    add_source(run, "other.csv", range(120, 240))
    slices = score(run, config)
    assert count(slices, "models") == {"both seen": 120}
    assert count(slices, "source") == {"train.csv": 120, "other.csv": 120}
    run.battles.loc[:119, "model_b"] = None
    assert count(score(run, config), "models") == {}


def test_slices_are_of_the_main_source_and_each_file_is_scored(run: Run, config: ReportingConfig) -> None:
    right = np.eye(3)[run.oof_predictions["label"]] * 0.94 + 0.02
    is_other = np.arange(240) >= 160
    add_source(run, "a.csv", range(160, 240))
    set_probabilities(run.oof_predictions, np.where(is_other[:, None], np.roll(right, 1, axis=1), right))
    slices = score(run, config)
    files = slices[slices["dimension"] == "source"].set_index("slice")
    assert files.index.tolist() == ["train.csv", "a.csv"]
    assert files["value"].tolist() == pytest.approx([-np.log(0.96), -np.log(0.02)])
    assert files["accuracy"].tolist() == [1, 0]
    others = slices[slices["dimension"] != "source"]
    assert others["value"].tolist() == pytest.approx([-np.log(0.96)] * len(others))
    assert count(slices, "turns") == {"1 turn": 160}


def test_a_slice_has_the_log_loss_of_the_class_prior_and_the_accuracy_too(run: Run, config: ReportingConfig) -> None:
    label = run.oof_predictions["label"].to_numpy()
    row = score(run, config).set_index("slice").loc["1 turn"]
    frequency = np.bincount(label) / len(label)
    assert row["prior_log_loss"] == pytest.approx(-(frequency * np.log(frequency)).sum())
    likeliest = select_probabilities(run.oof_predictions).argmax(axis=1)
    assert row["accuracy"] == pytest.approx((likeliest == label).mean())
    for name in ("prior_log_loss", "accuracy"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]


def test_the_highest_loss_battles_come_first_with_what_favoured_each_side(run: Run, config: ReportingConfig) -> None:
    found = find(run, config)
    losses = [battle["log_loss"] for battle in found]
    assert len(found) == 4
    assert losses == sorted(losses, reverse=True)
    chosen = run.oof_predictions.set_index("id").loc[found[0]["id"]]
    assert losses[0] == pytest.approx(-np.log(found[0]["probabilities"][int(chosen["label"])]))
    assert found[0]["models"] == [None, None]
    texts = run.battles.set_index("id")
    inputs = run.model_input.set_index("id")
    for battle in found:
        assert battle["response_a"][0]["head"] in texts.loc[battle["id"], "response_a"][0]
        for side in ("favours_a", "favours_b"):
            contributions = [row["contribution"] for row in battle[side]]
            assert contributions == sorted(contributions, reverse=True)
            assert all(value > 0 for value in contributions)
            for row in battle[side]:
                assert row["value"] == pytest.approx(inputs.loc[battle["id"], row["feature"]], abs=1e-6)


def test_what_favours_a_side_is_what_both_models_say_for_it(run: Run, config: ReportingConfig) -> None:
    everything = config.model_copy(update={"top_features": 100})
    found = {battle["id"]: battle for battle in find(run, everything)}
    features = run.model_input.set_index("id").loc[list(found)].reset_index()
    joined = join_tables(features, predict_linear_logits(features, run.linear_model), "linear_logits")
    logits = predict_logits(run.preference_model, joined)
    sums = [
        sum(row["contribution"] for row in battle["favours_a"])
        - sum(row["contribution"] for row in battle["favours_b"])
        for battle in found.values()
    ]
    np.testing.assert_allclose(sums, logits[:, 0] - logits[:, 1], rtol=1e-6, atol=1e-6)
    # CatBoost does not read these, and the linear model does.
    named = {row["feature"] for battle in found.values() for row in battle["favours_a"] + battle["favours_b"]}
    assert {"lsa_000__diff", "lsa_001__diff"} <= named


@pytest.mark.parametrize(
    ("table", "name"),
    [("battles", r"train_battles"), ("model_input", r"train_model_input")],
)
def test_tables_of_another_run_are_rejected_by_name(run: Run, config: ReportingConfig, table: str, name: str) -> None:
    setattr(run, table, getattr(run, table)[1:])
    with pytest.raises(ValueError, match=rf"{name}.*from_run"):
        find(run, config)


def test_a_long_text_loses_its_middle_and_the_omitted_characters_are_counted() -> None:
    (excerpt,) = cut_turns(["start" + "x" * 500 + "end"], characters=100)
    assert excerpt["head"].startswith("start")
    assert excerpt["tail"].endswith("end")
    assert len(excerpt["head"]) + len(excerpt["tail"]) == 100
    assert excerpt["omitted"] == 408
    assert cut_turns(["short"], 100) == [{"head": "short", "omitted": 0, "tail": ""}]


def test_null_turns_and_no_turns_are_kept_as_they_are() -> None:
    assert cut_turns([None, ""], 100) == [{"head": "", "omitted": 0, "tail": ""}] * 2
    assert cut_turns([], 100) == []
    assert len(cut_turns(np.array(["a", None], dtype=object), 100)) == 2


def test_characters_that_html_cannot_hold_are_replaced() -> None:
    assert clean_text("a\r\nb\tc\x00\x1b\ud83d") == "a\nb\tc\ufffd\ufffd?"
    assert clean_text("سلام 🎉 привет") == "سلام 🎉 привет"
