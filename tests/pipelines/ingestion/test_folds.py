"""Folds, the summary of what was read, and samples."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from arena_preference.battles import Battles, Labels
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.folds import assign_folds, sample_battles

from .conftest import make_config

NONE_REJECTED = pd.DataFrame(columns=["source", "id", "reason", "is_fault", "raw_row"]).astype({"is_fault": bool})
SAMPLED = make_config(sample_fraction=0.4)


def assign(battles: pd.DataFrame, **changes: Any) -> pd.DataFrame:
    return assign_folds(battles, NONE_REJECTED, make_config(**changes), seed=0)[0]


def test_folds_never_split_a_prompt_group_and_labels_are_those_of_the_battles(battles: pd.DataFrame) -> None:
    labels = Labels.validate(assign(battles))
    columns = ["id", "source", "prompt_group", "label"]
    pd.testing.assert_frame_equal(labels[columns], battles[columns])
    votes = labels[["label_winner_model_a", "label_winner_model_b", "label_winner_tie"]].to_numpy()
    np.testing.assert_array_equal(votes, np.eye(3)[battles["label"]])
    assert labels["weight"].eq(1).all()
    assert labels.groupby("prompt_group")["fold"].nunique().max() == 1
    assert labels["fold"].value_counts().between(60, 100).all()


def test_soft_labels_and_weights_are_kept(battles: pd.DataFrame) -> None:
    probabilities = {"label_winner_model_a": 0.5, "label_winner_model_b": 0.3, "label_winner_tie": 0.2, "weight": 2.0}
    soft = battles.assign(**{name: np.where(battles.index < 5, value, np.nan) for name, value in probabilities.items()})
    labels = assign(soft)
    assert labels.loc[:4, list(probabilities)].drop_duplicates().values.tolist() == [[0.5, 0.3, 0.2, 2.0]]
    assert labels.loc[5:, "weight"].eq(1).all()
    assert set(labels.loc[5:, "label_winner_tie"]) == {0, 1}


def test_names_of_models_are_kept_where_there_are_any(battles: pd.DataFrame) -> None:
    assert not {"model_a", "model_b"} & set(assign(battles))
    named = battles.assign(model_a=["red", None] * 120, model_b="blue")
    labels = Labels.validate(assign(named))
    pd.testing.assert_frame_equal(labels[["model_a", "model_b"]], named[["model_a", "model_b"]])
    pd.testing.assert_series_equal(labels["fold"], assign(battles)["fold"])


@pytest.mark.parametrize("name", ["judge", "session"])
def test_folds_never_split_what_one_person_voted_on(battles: pd.DataFrame, name: str) -> None:
    people = battles["prompt_group"].str.removeprefix("group-").astype(int) // 4
    known = battles.assign(**{name: [None if person % 5 == 0 else f"p{person}" for person in people]})
    labels = assign(known)
    assert labels.groupby(known[name])["fold"].nunique().max() == 1
    assert labels.groupby("prompt_group")["fold"].nunique().max() == 1
    split = assign(known, fold_groups=[])
    pd.testing.assert_frame_equal(split, assign(battles))


def test_people_who_connect_most_battles_are_split_with_a_warning(
    battles: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    people = battles["prompt_group"].str.removeprefix("group-").astype(int) // 4
    known = battles.assign(judge="one", session=[f"s{person}" for person in people])
    labels, summary = assign_folds(known, NONE_REJECTED, make_config(), seed=0)
    assert summary["fold_groups"] == ["prompt_group", "session"]
    assert "240 of 240 battles" in caplog.text
    assert labels.groupby(known["session"])["fold"].nunique().max() == 1


def test_people_of_different_files_are_different(battles: pd.DataFrame) -> None:
    half = battles["prompt_group"].str.removeprefix("group-").astype(int) % 4
    of_files = battles.assign(source=[f"{number}.csv" for number in half], judge="one")
    labels = assign(of_files, n_splits=4)
    assert labels.groupby("source")["fold"].nunique().max() == 1


def test_the_summary_counts_what_was_read_by_file(battles: pd.DataFrame) -> None:
    rejected = pd.DataFrame(
        {
            "source": ["b.csv", "b.csv", "a.csv"],
            "id": ["1", "2", None],
            "reason": ["id is missing", "prompt is missing", "prompt is missing: 'x'"],
            "is_fault": True,
            "raw_row": "{}",
        }
    )
    of_files = battles.assign(source=np.where(battles.index < 200, "a.csv", "b.csv"))
    _, summary = assign_folds(of_files, rejected, make_config(), seed=0)
    first, second = summary["sources"]
    assert summary["main_source"] == "a.csv"
    assert (first["battles"], second["battles"]) == (200, 40)
    assert first["a"] + first["b"] + first["tie"] == 200
    assert second["rejected"] == {"id is missing": 1, "prompt is missing": 1}
    assert first["rejected"] == {"prompt is missing": 1}
    assert (first["format"], first["voters"], first["prompts"]) == ("competition", "people", 80)
    assert assign_folds(of_files, rejected, make_config(main_source="b.csv"), 0)[1]["main_source"] == "b.csv"
    with pytest.raises(ValueError, match=r"main_source=c\.csv.*a\.csv, b\.csv"):
        assign_folds(of_files, rejected, make_config(main_source="c.csv"), seed=0)
    with pytest.raises(ValueError, match=r"source_weights has c, .*a\.csv, b\.csv"):
        assign_folds(of_files, rejected, make_config(source_weights={"a.csv": 2, "c": 2}), seed=0)


def test_too_few_prompt_groups_or_battles_of_a_class_are_errors_with_possible_advice(battles: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"1 prompt groups .* 3 folds.* Add battles\.$"):
        assign(battles.assign(prompt_group="one"))
    with pytest.raises(ValueError, match=r"10 prompt groups .* 11 folds.* ingestion\.n_splits to 10"):
        assign(battles.assign(prompt_group=battles["prompt_group"].str[:7]), n_splits=11)
    few = pd.concat([battles[battles["label"] < 2], battles[battles["label"] == 2].head(4)])
    with pytest.raises(ValueError, match=r"4 .*winner_tie.* ingestion\.n_splits to 4"):
        assign(few, n_splits=5)
    with pytest.raises(ValueError, match=r"All .* winner_tie, so there is nothing to learn"):
        assign(battles[battles["label"] == 2])


def test_battles_without_ties_have_folds(battles: pd.DataFrame) -> None:
    labels = assign(battles[battles["label"] < 2].reset_index(drop=True))
    assert set(labels["label"]) == {0, 1}


def test_a_class_may_be_the_likeliest_of_no_soft_label(battles: pd.DataFrame) -> None:
    decided = battles[battles["label"] < 2].reset_index(drop=True)
    sides = np.eye(2)[decided["label"]]
    soft = decided.assign(
        label_winner_model_a=0.5 * sides[:, 0] + 0.2,
        label_winner_model_b=0.5 * sides[:, 1] + 0.2,
        label_winner_tie=0.1,
    )
    assert assign(soft)["label_winner_tie"].eq(0.1).all()
    one_tie = soft.assign(label=np.where(soft.index == 0, 2, soft["label"]).astype(np.int8))
    assert assign(one_tie)["label"].eq(2).sum() == 1


def test_a_class_in_a_single_prompt_group_is_an_error_that_names_it(battles: pd.DataFrame) -> None:
    in_one_group = battles["prompt_group"] == "group-3"
    others = battles[~in_one_group & (battles["label"] < 2)]
    ties = battles[in_one_group].assign(label=np.int8(2))
    with pytest.raises(ValueError, match="winner_tie"):
        assign(pd.concat([others, ties]))


def test_a_sample_of_fraction_1_is_all_battles(battles: pd.DataFrame, config: IngestionConfig) -> None:
    pd.testing.assert_frame_equal(sample_battles(battles, config, seed=0), battles)


def test_a_sample_holds_whole_prompt_groups_in_the_fraction_asked_for(battles: pd.DataFrame) -> None:
    sample = Battles.validate(sample_battles(battles, SAMPLED, seed=0))
    drawn = set(sample["prompt_group"])
    assert len(sample) == battles["prompt_group"].isin(drawn).sum()
    assert 20 < len(drawn) < 45
    assert drawn != set(sample_battles(battles, SAMPLED, seed=1)["prompt_group"])


def test_partitions_are_sampled_like_the_whole(battles: pd.DataFrame) -> None:
    partitions = [sample_battles(battles[start : start + 60], SAMPLED, seed=0) for start in range(0, 240, 60)]
    pd.testing.assert_frame_equal(pd.concat(partitions, ignore_index=True), sample_battles(battles, SAMPLED, seed=0))


@pytest.mark.parametrize("parameters", [{"n_splits": 2}, {"sample_fraction": 0.0}, {"max_rejected": 1.5}, {"n": 3}])
def test_parameters_out_of_range_or_unknown_are_rejected(parameters: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        make_config(**parameters)
