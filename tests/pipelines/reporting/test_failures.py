import numpy as np
import pandas as pd
import pytest

from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.pipelines.reporting.failures import (
    clean_text,
    cut_turns,
    explain_lead,
    find_highest_loss_battles,
    plot_prompt_kinds,
    plot_slices,
    score_slices,
)
from arena_preference.symmetry import swap_features, swap_probabilities

from .conftest import Run


def score(run: Run, options: ReportingConfig) -> pd.DataFrame:
    return score_slices(run.oof_predictions, run.battles, run.model_input, run.base_model_predictions, options, seed=0)


def test_the_parts_of_a_dimension_hold_every_battle_once(run: Run, options: ReportingConfig) -> None:
    run.battles.at[0, "prompt"] = ["one", None, "three"]
    run.battles.at[1, "prompt"] = []
    slices = score(run, options)
    exclusive = slices[slices["dimension"] != "prompt kind"]
    assert exclusive.groupby("dimension")["battles"].sum().tolist() == [240] * 4
    assert ((slices["low"] <= slices["value"]) & (slices["value"] <= slices["high"])).all()
    turns = slices[slices["dimension"] == "turns"].set_index("slice")["battles"]
    assert turns.to_dict() == {"1 turn": 239, "3 or more": 1}
    # A kind that no prompt is of is not named.
    assert slices[slices["dimension"] == "prompt kind"]["slice"].tolist() == ["code", "none of these"]


def test_a_part_on_which_the_predictions_fail_stands_out(run: Run, options: ReportingConfig) -> None:
    code = (run.model_input["kind_code__prompt"] > 0).to_numpy()
    wrong = swap_probabilities(np.eye(3)[run.oof_predictions["label"]] * 0.94 + 0.02)
    run.oof_predictions.iloc[code, 4:7] = wrong[code]
    slices = score(run, options).set_index("slice")
    assert slices.loc["code", "low"] > slices.loc["none of these", "high"]
    axes = plot_prompt_kinds(slices.reset_index(), run.metrics).axes[0]
    assert axes.get_yticklabels()[0].get_text() == f"code ({code.sum()})"


def test_every_dimension_has_a_panel_of_its_own(run: Run, options: ReportingConfig) -> None:
    titles = [axes.get_title(loc="left") for axes in plot_slices(score(run, options), run.metrics).axes]
    assert titles == [
        "By turns",
        "By language of the prompt",
        "By length of both answers",
        "By agreement of the first-level models",
    ]


def test_features_that_tell_no_kind_of_prompt_give_a_note(run: Run, options: ReportingConfig) -> None:
    run.model_input = run.model_input.drop(columns=["kind_code__prompt", "kind_maths__prompt"])
    assert not plot_prompt_kinds(score(run, options), run.metrics).axes


def test_the_most_surprising_battles_come_first(run: Run, options: ReportingConfig) -> None:
    found = find_highest_loss_battles(run.oof_predictions, run.battles, run.model_input, run.preference_model, options)
    losses = [battle["log_loss"] for battle in found]
    assert len(found) == 4
    assert losses == sorted(losses, reverse=True)
    chosen = run.oof_predictions.set_index("id").loc[found[0]["id"]]
    assert losses[0] == pytest.approx(-np.log(found[0]["probabilities"][int(chosen["label"])]))
    assert found[0]["chatbots"] == [None, None]
    for battle in found:
        for side in ("speaks_for_a", "speaks_for_b"):
            contributions = [reason["contribution"] for reason in battle[side]]
            assert contributions == sorted(contributions, reverse=True)
            assert all(value > 0 for value in contributions)


def test_the_contributions_sum_to_the_lead_that_the_model_predicts(run: Run) -> None:
    features = run.model_input.drop(columns="id")
    in_order, swapped = (
        run.preference_model.predict(table, prediction_type="RawFormulaVal")
        for table in (features, swap_features(features))
    )
    logits = (in_order + swap_probabilities(swapped)) / 2
    contributions = explain_lead(run.preference_model, features)
    np.testing.assert_allclose(contributions.sum(axis=1), logits[:, 0] - logits[:, 1], atol=1e-9)
    np.testing.assert_allclose(explain_lead(run.preference_model, swap_features(features)), -contributions, atol=1e-9)
    # The model's scale is put back after it was explained.
    assert run.preference_model.get_scale_and_bias()[0] == 0.8


def test_predictions_of_another_run_are_refused(run: Run, options: ReportingConfig) -> None:
    found = find_highest_loss_battles(run.oof_predictions, run.battles, run.model_input, run.preference_model, options)
    without = run.battles[run.battles["id"] != found[0]["id"]]
    with pytest.raises(ValueError, match=r"1 of 4 battles have no row in train\.battles"):
        find_highest_loss_battles(run.oof_predictions, without, run.model_input, run.preference_model, options)


def test_a_long_text_is_cut_in_the_middle_and_what_is_left_out_is_counted() -> None:
    (excerpt,) = cut_turns(["start" + "x" * 500 + "end"], characters=100)
    assert excerpt["head"].startswith("start")
    assert excerpt["tail"].endswith("end")
    assert len(excerpt["head"]) + len(excerpt["tail"]) == 100
    assert excerpt["left_out"] == 408


def test_null_turns_and_no_turns_are_shown_as_they_are() -> None:
    assert cut_turns([None, ""], 100) == [{"head": "", "left_out": 0, "tail": ""}] * 2
    assert cut_turns([], 100) == []
    assert len(cut_turns(np.array(["a", None], dtype=object), 100)) == 2


def test_what_no_page_may_hold_is_replaced() -> None:
    assert clean_text("a\r\nb\tc\x00\x1b\ud83d") == "a\nb\tc\ufffd\ufffd?"
    assert clean_text("سلام 🎉 привет") == "سلام 🎉 привет"
