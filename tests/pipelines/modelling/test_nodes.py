import numpy as np
import pandas as pd
import pytest
from arena_preference.folds import assign_folds
from catboost import CatBoost
from scipy.special import softmax
from sklearn.metrics import log_loss

from arena_preference.battles import (
    LABEL_COLUMNS,
    ORIGINAL_ORDER,
    SWAPPED_ORDER,
    Folds,
    OutOfFoldPredictions,
    Predictions,
)
from arena_preference.metrics import select_probabilities
from arena_preference.pipelines.modelling import nodes
from arena_preference.pipelines.modelling.bag_of_words import SCORE_COLUMNS, Arrays
from arena_preference.pipelines.modelling.boosting import predict_logits
from arena_preference.pipelines.modelling.config import ModellingConfig
from arena_preference.pipelines.modelling.experiments import measure_blend
from arena_preference.pipelines.modelling.nodes import (
    average_orders,
    calibrate_model,
    evaluate_predictions,
    fit_baselines,
    fit_bow_models,
    fit_calibration,
    fit_fold_models,
    join_features,
    join_fold_scores,
    list_feature_groups,
    predict_base_models,
    predict_bow_logits,
    predict_out_of_fold,
    predict_preferences,
)
from arena_preference.symmetry import Features, swap_battles, swap_features, swap_probabilities

from .conftest import OPTIONS, make_differences, swap_words

Fitted = tuple[CatBoost, pd.DataFrame]


def make_predictions(label: list[int], probabilities: list[list[float]]) -> pd.DataFrame:
    table = pd.DataFrame(
        {"id": range(len(label)), "fold": 0, "prompt_group": [str(n) for n in range(len(label))], "label": label}
    )
    for prefix in ("", "prior_", "length_"):
        table[[f"{prefix}{name}" for name in LABEL_COLUMNS]] = probabilities
    return table


def test_joined_features_keep_rows_and_all_columns(model_input: pd.DataFrame) -> None:
    other = model_input.add_prefix("other_").rename(columns={"other_id": "id"}).sample(frac=1, random_state=0)
    third = model_input.add_prefix("third_").rename(columns={"third_id": "id"})
    none = model_input[["id"]]
    joined = join_features(model_input, other, third, none, none, none)
    assert joined["id"].tolist() == model_input["id"].tolist()
    assert joined.shape == (len(model_input), 1 + 3 * (model_input.shape[1] - 1))
    np.testing.assert_array_equal(joined["other_chance__diff"], joined["chance__diff"])


def test_feature_tables_of_different_battles_are_refused(model_input: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="describe different battles"):
        join_features(model_input, model_input[1:], *[model_input] * 4)


def test_folds_never_split_a_prompt_group(battles: pd.DataFrame, folds: pd.DataFrame) -> None:
    Folds.validate(folds)
    assert folds["fold"].groupby(battles["prompt_group"]).nunique().max() == 1
    assert folds["fold"].value_counts().between(60, 100).all()


def test_fewer_prompt_groups_than_folds_is_an_error(battles: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="1 prompt groups are too few for 3 folds"):
        assign_folds(battles.assign(prompt_group="one"), OPTIONS.folds, seed=0)


def test_a_single_training_battle_is_an_error_that_says_what_is_missing(battles: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"1 prompt groups are too few for \d folds.*Add battles"):
        assign_folds(battles[:1], OPTIONS.folds, seed=0)


def test_a_missing_class_is_an_error_that_names_it(battles: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="Only 0 training battles have the label winner_tie"):
        assign_folds(battles[battles["label"] < 2], OPTIONS.folds, seed=0)


def test_a_class_that_lies_in_one_prompt_group_is_an_error_that_names_it(battles: pd.DataFrame) -> None:
    in_one_group = battles["prompt_group"] == "group-3"
    others = battles[~in_one_group & (battles["label"] < 2)]
    ties = battles[in_one_group].assign(label=np.int8(2))
    with pytest.raises(ValueError, match="All battles with the label winner_tie are in folds"):
        assign_folds(pd.concat([others, ties]), OPTIONS.folds, seed=0)


def test_tables_of_different_runs_are_refused(
    model_input: pd.DataFrame, oof_bow_logits: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match="come from different runs"):
        fit_fold_models(model_input[:-1], oof_bow_logits, battles, folds, OPTIONS, seed=0)
    with pytest.raises(ValueError, match="come from different runs"):
        fit_fold_models(model_input, oof_bow_logits[1:], battles, folds, OPTIONS, seed=0)
    with pytest.raises(ValueError, match="come from different runs"):
        fit_baselines(battles, folds[1:])


def test_models_learn_what_decides_and_beat_both_baselines(
    battles: pd.DataFrame, folds: pd.DataFrame, fitted: Fitted
) -> None:
    scores = fitted[1]
    model_loss = log_loss(battles["label"], softmax(average_orders(scores), axis=1))
    baselines = fit_baselines(battles, folds)
    prior_loss = log_loss(battles["label"], baselines[[f"prior_{name}" for name in LABEL_COLUMNS]].to_numpy())
    assert model_loss < prior_loss - 0.15


def test_length_baseline_beats_the_prior_where_length_decides(battles: pd.DataFrame, folds: pd.DataFrame) -> None:
    table = fit_baselines(battles, folds)
    losses = {
        kind: log_loss(battles["label"], table[[f"{kind}_{name}" for name in LABEL_COLUMNS]].to_numpy())
        for kind in ("prior", "length")
    }
    assert losses["length"] < losses["prior"] - 0.15
    assert 0.9 < losses["prior"] < 1.2


def test_shuffled_labels_give_no_better_than_the_prior(
    model_input: pd.DataFrame, tfidf_differences: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame
) -> None:
    shuffled = battles.assign(label=battles["label"].sample(frac=1, random_state=1).to_numpy())
    shuffled_scores = fit_bow_models(tfidf_differences, shuffled, folds, OPTIONS)[1]
    scores = fit_fold_models(model_input, shuffled_scores, shuffled, folds, OPTIONS, seed=0)[1]
    baselines = fit_baselines(shuffled, folds)
    prior = log_loss(shuffled["label"], baselines[[f"prior_{name}" for name in LABEL_COLUMNS]].to_numpy())
    assert log_loss(shuffled["label"], softmax(average_orders(scores), axis=1)) > prior - 0.02


def test_a_held_out_label_cannot_reach_its_own_prediction(
    model_input: pd.DataFrame,
    tfidf_differences: pd.DataFrame,
    battles: pd.DataFrame,
    folds: pd.DataFrame,
    fitted: Fitted,
) -> None:
    held_out = folds["fold"].to_numpy() == 0
    changed = battles.assign(label=np.where(held_out, (battles["label"] + 1) % 3, battles["label"]).astype("int8"))
    bow_logits = fit_bow_models(tfidf_differences, changed, folds, OPTIONS)[1]
    scores = fit_fold_models(model_input, bow_logits, changed, folds, OPTIONS, seed=0)[1]
    pd.testing.assert_frame_equal(scores[held_out], fitted[1][held_out])
    assert not scores[~held_out].equals(fitted[1][~held_out])


def test_no_label_of_a_fold_has_a_part_in_its_word_scores(
    tfidf_differences: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame, oof_bow_logits: pd.DataFrame
) -> None:
    in_fold = folds["fold"].to_numpy() == 1
    changed = battles.assign(label=np.where(in_fold, (battles["label"] + 1) % 3, battles["label"]).astype("int8"))
    after = fit_bow_models(tfidf_differences, changed, folds, OPTIONS)[1]
    own, others = ([f"{name}_{number}" for name in SCORE_COLUMNS for number in numbers] for numbers in ((1,), (0, 2)))
    pd.testing.assert_frame_equal(after[own], oof_bow_logits[own])
    assert not after[others].equals(oof_bow_logits[others])


def test_a_battle_is_never_scored_by_a_word_model_that_saw_it(
    tfidf_differences: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame, oof_bow_logits: pd.DataFrame
) -> None:
    one = int(np.flatnonzero(folds["fold"] == 2)[0])
    labels = battles["label"].to_numpy().copy()
    labels[one] = (labels[one] + 1) % 3
    after = fit_bow_models(tfidf_differences, battles.assign(label=labels), folds, OPTIONS)[1]
    pd.testing.assert_series_equal(after.loc[one], oof_bow_logits.loc[one])
    assert not after.equals(oof_bow_logits)


def test_the_word_model_tells_the_better_side_by_its_words_and_follows_a_swap(
    battles: pd.DataFrame, folds: pd.DataFrame
) -> None:
    telling = make_differences(battles, telling=True)
    model, oof = fit_bow_models(telling, battles, folds, OPTIONS)
    scores = Features.validate(predict_bow_logits(telling, model))
    decided = battles["label"] < 2
    side = scores[SCORE_COLUMNS[0]]
    assert ((side > 0) == (battles["label"] == 0))[decided].mean() > 0.8
    swapped = predict_bow_logits(swap_words(telling), model)
    np.testing.assert_array_equal(swapped[SCORE_COLUMNS[0]], -side)
    np.testing.assert_array_equal(swapped[SCORE_COLUMNS[1]], scores[SCORE_COLUMNS[1]])
    own = join_fold_scores(battles[["id"]], oof)
    assert np.corrcoef(own[SCORE_COLUMNS[0]], side)[0, 1] > 0.8


def test_a_word_model_of_another_vocabulary_is_refused(tfidf_differences: pd.DataFrame, bow_model: Arrays) -> None:
    other = {**bow_model, "side": bow_model["side"][1:]}
    with pytest.raises(ValueError, match="come from different runs"):
        predict_bow_logits(tfidf_differences, other)


def test_families_name_every_feature_once_and_empty_tables_none(model_input: pd.DataFrame) -> None:
    latent = model_input[["id"]].assign(latent_000__diff=np.float32(0))
    none = model_input[["id"]]
    families = list_feature_groups(model_input, latent, none, none, none, none)
    assert list(families) == ["text", "latent", "bag-of-words model"]
    assert families["latent"] == ["latent_000__diff"]
    assert len(families["text"]) == model_input.shape[1] - 1


def test_first_level_predictions_are_distributions_and_average_to_the_final_logits(
    fitted: Fitted, battles: pd.DataFrame, oof_bow_logits: pd.DataFrame, folds: pd.DataFrame
) -> None:
    none = battles[["id"]]
    calibration = fit_calibration(fitted[1], none, battles)
    first = predict_base_models(fitted[1], calibration, oof_bow_logits, none)
    final = predict_out_of_fold(fitted[1], none, calibration, battles, fit_baselines(battles, folds))
    logs = []
    for prefix in (ORIGINAL_ORDER, SWAPPED_ORDER, "bow_model_"):
        probabilities = first[[f"{prefix}{name}" for name in LABEL_COLUMNS]].to_numpy()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        logs.append(np.log(probabilities))
    np.testing.assert_allclose(softmax((logs[0] + logs[1]) / 2, axis=1), final[list(LABEL_COLUMNS)], rtol=1e-9)
    assert not np.allclose(logs[0], logs[1])


def test_average_model_scores_are_the_mean_of_the_fold_models(
    model_input: pd.DataFrame,
    oof_bow_logits: pd.DataFrame,
    battles: pd.DataFrame,
    folds: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fold_models: list[CatBoost] = []
    sum_models = nodes.sum_models

    def remember_and_sum(models: list[CatBoost], weights: list[float]) -> CatBoost:
        fold_models.extend(models)
        return sum_models(models, weights=weights)

    monkeypatch.setattr(nodes, "sum_models", remember_and_sum)
    two_models = OPTIONS.model_copy(update={"seeds_per_fold": 2})
    average, _ = fit_fold_models(model_input, oof_bow_logits, battles, folds, two_models, seed=0)
    assert len(fold_models) == 2 * OPTIONS.folds
    features = join_fold_scores(model_input, oof_bow_logits)
    of_each = [predict_logits(model, features) for model in fold_models]
    assert not np.array_equal(of_each[0], of_each[1])
    np.testing.assert_allclose(predict_logits(average, features), np.mean(of_each, axis=0), rtol=1e-9, atol=1e-12)


def test_swapping_sides_swaps_predictions_exactly(
    model_input: pd.DataFrame,
    tfidf_differences: pd.DataFrame,
    bow_model: Arrays,
    cross_encoder_logits: pd.DataFrame,
    fitted: Fitted,
) -> None:
    swapped_input = swap_features(model_input.drop(columns="id")).assign(id=model_input["id"])
    swapped_words = swap_words(tfidf_differences)
    swapped_scores = cross_encoder_logits.copy()
    swapped_scores[list(LABEL_COLUMNS)] = swap_probabilities(select_probabilities(cross_encoder_logits))
    calibration = {"cross_encoder_weight": 0.3}
    in_order, exchanged = (
        predict_preferences(features, predict_bow_logits(words, bow_model), scores, fitted[0], calibration)[
            list(LABEL_COLUMNS)
        ].to_numpy()
        for features, words, scores in (
            (model_input, tfidf_differences, cross_encoder_logits),
            (swapped_input, swapped_words, swapped_scores),
        )
    )
    np.testing.assert_allclose(exchanged, swap_probabilities(in_order), rtol=0, atol=1e-15)
    assert np.abs(in_order[:, 0] - in_order[:, 1]).max() > 0.1


def test_training_does_not_depend_on_which_side_is_called_a(
    model_input: pd.DataFrame,
    tfidf_differences: pd.DataFrame,
    battles: pd.DataFrame,
    folds: pd.DataFrame,
    fitted: Fitted,
) -> None:
    swapped_input = swap_features(model_input.drop(columns="id"))
    swapped_input.insert(0, "id", model_input["id"])
    swapped_words = swap_words(tfidf_differences)
    bow_logits = fit_bow_models(swapped_words, swap_battles(battles), folds, OPTIONS)[1]
    scores = fit_fold_models(swapped_input, bow_logits, swap_battles(battles), folds, OPTIONS, seed=0)[1]
    in_order, exchanged = average_orders(fitted[1]), swap_probabilities(average_orders(scores))
    assert np.corrcoef(in_order.ravel(), exchanged.ravel())[0, 1] > 0.95


def test_same_seed_gives_the_same_scores(
    model_input: pd.DataFrame, oof_bow_logits: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame, fitted: Fitted
) -> None:
    again = fit_fold_models(model_input, oof_bow_logits, battles, folds, OPTIONS, seed=0)[1]
    pd.testing.assert_frame_equal(again, fitted[1])


def test_order_of_columns_does_not_matter_and_a_missing_one_is_named(
    model_input: pd.DataFrame, oof_bow_logits: pd.DataFrame, fitted: Fitted
) -> None:
    features = join_fold_scores(model_input, oof_bow_logits).drop(columns="id")
    np.testing.assert_array_equal(
        predict_logits(fitted[0], features[features.columns[::-1]]), predict_logits(fitted[0], features)
    )
    with pytest.raises(ValueError, match=r"1 of the model's 7 features are not here.*chance__pair"):
        predict_logits(fitted[0], features.drop(columns="chance__pair"))


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_calibration_finds_the_temperature_that_spoiled_the_logits(
    temperature: float, rng: np.random.Generator
) -> None:
    true_logits = rng.normal(size=(6000, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(true_logits, axis=1)])
    scores = pd.DataFrame({"id": range(6000), "fold": np.arange(6000) % 3})
    for prefix in (ORIGINAL_ORDER, SWAPPED_ORDER):
        scores[[f"{prefix}{name}" for name in LABEL_COLUMNS]] = true_logits * temperature
    calibration = fit_calibration(scores, scores[["id"]], pd.DataFrame({"id": range(6000), "label": labels}))
    assert calibration["temperature"] == pytest.approx(temperature, rel=0.1)
    assert calibration["cross_encoder_weight"] is None
    assert set(calibration["of_folds"]) == {"0", "1", "2"}


def test_what_only_the_cross_encoder_knows_is_blended_in(rng: np.random.Generator) -> None:
    known, other = rng.normal(size=(2, 6000, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(known + 0.4 * other, axis=1)])
    battles = pd.DataFrame({"id": range(6000), "label": labels, "prompt_group": [str(n) for n in range(6000)]})
    scores = battles[["id"]].assign(fold=np.arange(6000) % 3)
    for prefix in (ORIGINAL_ORDER, SWAPPED_ORDER):
        scores[[f"{prefix}{name}" for name in LABEL_COLUMNS]] = known
    # In another order, for tables are joined by their ids.
    logits = pd.DataFrame(other, columns=list(LABEL_COLUMNS)).assign(id=range(6000)).sample(frac=1, random_state=0)
    calibration = fit_calibration(scores, logits, battles)
    assert calibration["temperature"] == pytest.approx(1, rel=0.1)
    assert calibration["cross_encoder_weight"] == pytest.approx(0.4, rel=0.15)

    blend = measure_blend(scores, logits, calibration, battles, OPTIONS, seed=0).set_index("model")
    assert blend.loc["blend", "value"] < blend.loc["catboost", "value"] < blend.loc["cross encoders", "value"]
    assert blend.loc["difference", "value"] == pytest.approx(blend["value"]["blend"] - blend["value"]["catboost"])
    assert blend.loc["difference", "high"] < 0

    # One that is wrong gets no say, rather than a negative one.
    wrong = logits.assign(**{name: -logits[name] for name in LABEL_COLUMNS})
    assert fit_calibration(scores, wrong, battles)["cross_encoder_weight"] == pytest.approx(0, abs=1e-4)


def test_without_cross_encoders_there_is_no_blend_to_measure(fitted: Fitted, battles: pd.DataFrame) -> None:
    none = battles[["id"]]
    calibration = fit_calibration(fitted[1], none, battles)
    assert measure_blend(fitted[1], none, calibration, battles, OPTIONS, seed=0).empty


@pytest.mark.parametrize("fitted_with", [True, False])
def test_a_model_is_not_asked_without_the_cross_encoder_that_it_was_fitted_with(
    model_input: pd.DataFrame,
    tfidf_differences: pd.DataFrame,
    bow_model: Arrays,
    cross_encoder_logits: pd.DataFrame,
    fitted: Fitted,
    fitted_with: bool,
) -> None:
    scores = model_input[["id"]] if fitted_with else cross_encoder_logits
    calibration = {"cross_encoder_weight": 0.3 if fitted_with else None}
    with pytest.raises(ValueError, match=r"Set finetuning\.enabled as it was when the model was fitted"):
        predict_preferences(
            model_input, predict_bow_logits(tfidf_differences, bow_model), scores, fitted[0], calibration
        )


def test_a_fold_is_calibrated_by_the_other_folds_only(
    fitted: Fitted, battles: pd.DataFrame, cross_encoder_logits: pd.DataFrame
) -> None:
    scores = fitted[1]
    before = fit_calibration(scores, cross_encoder_logits, battles)["of_folds"]
    held_out = scores["fold"] == 1
    changed = battles.assign(label=np.where(held_out, 2, battles["label"]).astype("int8"))
    after = fit_calibration(scores, cross_encoder_logits, changed)["of_folds"]
    assert after["1"] == before["1"]
    assert after["0"] != before["0"]


def test_calibrated_model_gives_logits_divided_by_the_temperature(
    model_input: pd.DataFrame, tfidf_differences: pd.DataFrame, bow_model: Arrays, fitted: Fitted
) -> None:
    bow_logits = predict_bow_logits(tfidf_differences, bow_model)
    features = model_input.merge(bow_logits, on="id")
    raw = predict_logits(fitted[0], features)
    calibrated = calibrate_model(fitted[0], {"temperature": 2.0})
    np.testing.assert_allclose(predict_logits(calibrated, features), raw / 2.0, rtol=1e-12)
    np.testing.assert_array_equal(predict_logits(fitted[0], features), raw)
    none, no_blend = model_input[["id"]], {"cross_encoder_weight": None}
    predictions = Predictions.validate(predict_preferences(model_input, bow_logits, none, calibrated, no_blend))
    np.testing.assert_allclose(predictions[list(LABEL_COLUMNS)].to_numpy(), softmax(raw / 2.0, axis=1), rtol=1e-12)


def test_out_of_fold_table_holds_what_scoring_needs(battles: pd.DataFrame, folds: pd.DataFrame, fitted: Fitted) -> None:
    scores = fitted[1]
    none = battles[["id"]]
    calibration = fit_calibration(scores, none, battles)
    predictions = predict_out_of_fold(scores, none, calibration, battles, fit_baselines(battles, folds))
    OutOfFoldPredictions.validate(predictions)
    assert predictions["label"].tolist() == battles["label"].tolist()
    assert predictions["fold"].tolist() == folds["fold"].tolist()


def test_metrics_equal_those_of_scikit_learn_and_lie_in_their_intervals(rng: np.random.Generator) -> None:
    probabilities = softmax(rng.normal(size=(400, 3)), axis=1)
    labels = [int(rng.choice(3, p=row)) for row in probabilities]
    metrics = evaluate_predictions(make_predictions(labels, probabilities.tolist()), OPTIONS, seed=0)
    assert metrics["log_loss"]["value"] == pytest.approx(log_loss(labels, probabilities))
    assert metrics["accuracy"]["value"] == pytest.approx((probabilities.argmax(axis=1) == labels).mean())
    for name in metrics.keys() - {"battles", "folds"}:
        assert metrics[name]["low"] < metrics[name]["value"] < metrics[name]["high"]
    assert metrics["battles"] == 400
    assert metrics["folds"] == 1


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    certain_and_right_half_the_time = make_predictions([0, 1] * 50, [[0.95, 0.03, 0.02]] * 100)
    metrics = evaluate_predictions(certain_and_right_half_the_time, OPTIONS, seed=0)
    assert metrics["expected_calibration_error"]["value"] == pytest.approx(0.45)


def test_intervals_are_wider_where_groups_are_few(rng: np.random.Generator) -> None:
    probabilities = softmax(rng.normal(size=(400, 3)), axis=1)
    labels = [int(rng.choice(3, p=row)) for row in probabilities]
    alone = make_predictions(labels, probabilities.tolist()).sort_values("label", ignore_index=True)
    grouped = alone.assign(prompt_group=[str(number // 40) for number in range(400)])
    widths = [
        metrics["accuracy"]["high"] - metrics["accuracy"]["low"]
        for metrics in (evaluate_predictions(table, OPTIONS, seed=0) for table in (alone, grouped))
    ]
    assert widths[1] > widths[0]


@pytest.mark.parametrize(
    "change",
    [{"folds": 2}, {"seeds_per_fold": 0}, {"fold": 5}, {"catboost": {"depht": 6}}, {"learning_curve": [1.5]}],
)
def test_parameters_out_of_range_or_unknown_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        ModellingConfig(**{**OPTIONS.model_dump(), **change})
