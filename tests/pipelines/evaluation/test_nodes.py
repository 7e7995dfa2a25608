from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from arena_preference.battles import ID, LABEL_COLUMNS
from arena_preference.datasets import RawTable
from arena_preference.pipelines.evaluation.nodes import evaluate_submission


@pytest.fixture
def submission(battles: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    probabilities = pd.DataFrame(rng.dirichlet([1, 1, 1], size=len(battles)), columns=list(LABEL_COLUMNS))
    return pd.concat([battles[ID], probabilities], axis=1)


@pytest.fixture
def labels(battles: pd.DataFrame) -> pd.DataFrame:
    """Labels as text, in another order, with one of a battle that is not in the submission."""
    winners = pd.DataFrame(np.eye(3, dtype=int)[battles["label"]], columns=list(LABEL_COLUMNS)).astype(str)
    table = pd.concat([battles[ID].astype(str), winners], axis=1)
    return pd.concat([table[:1].assign(id="3"), table[::-1]], ignore_index=True)


def evaluate(submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame, **options: int) -> dict[str, Any]:
    rows = labels.to_dict(orient="records")
    return evaluate_submission(
        submission, battles, [RawTable("test_labels.csv", "raw/test_labels.csv", rows, rows)], **options
    )


def test_a_submission_is_scored_as_the_competition_does(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    metrics = evaluate(submission, battles, labels, n_resamples=100, seed=0)
    probabilities = submission[list(LABEL_COLUMNS)].to_numpy()
    assert metrics["battles"] == len(battles)
    assert metrics["log_loss"]["value"] == pytest.approx(log_loss(battles["label"], probabilities))
    assert metrics["accuracy"]["value"] == pytest.approx((probabilities.argmax(axis=1) == battles["label"]).mean())
    assert metrics["log_loss"]["low"] < metrics["log_loss"]["value"] < metrics["log_loss"]["high"]


def test_labels_as_truth_values_are_read(submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame) -> None:
    named = labels.replace({name: {"1": "True", "0": "False"} for name in LABEL_COLUMNS})
    options = {"n_resamples": 100, "seed": 0}
    assert evaluate(submission, battles, named, **options) == evaluate(submission, battles, labels, **options)


def test_labels_may_be_in_one_column(submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame) -> None:
    winners = labels[list(LABEL_COLUMNS)].astype(int).to_numpy().argmax(axis=1)
    named = labels[[ID]].assign(winner=np.array(["model_a", "model_b", "tie"])[winners])
    options = {"n_resamples": 100, "seed": 0}
    assert evaluate(submission, battles, named, **options) == evaluate(submission, battles, labels, **options)


def test_labels_of_some_battles_are_scored_and_counted(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = evaluate(submission, battles, labels[1:21], n_resamples=100, seed=0)
    assert metrics["battles"] == 20
    assert "20 battles are scored: the submission has 240, and 20 labels are known" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"winner_tie": "1"}, "winner columns"),
        ({"winner_tie": "maybe"}, "winner columns"),
        ({"winner_tie": ""}, "winner columns"),
        ({"id": ""}, "id is missing"),
        ({"winner_model_a": "", "winner_model_b": "", "winner_tie": ""}, "the label is missing"),
    ],
)
def test_a_row_without_id_or_label_is_rejected_with_its_number(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame, change: dict[str, str], message: str
) -> None:
    row = labels.index[labels["winner_model_a"] == "1"][3]
    labels.loc[row, list(change)] = list(change.values())
    with pytest.raises(ValueError, match=rf"Row {row + 1} of raw/test_labels\.csv .*{message}"):
        evaluate(submission, battles, labels, n_resamples=100, seed=0)


def test_repeated_and_unknown_ids_are_rejected(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match=r"1 ids .*test_labels\.csv"):
        evaluate(submission, battles, pd.concat([labels, labels[-1:]], ignore_index=True), n_resamples=100, seed=0)
    with pytest.raises(ValueError, match=r"test_labels\.csv.*pipeline submission"):
        evaluate(submission, battles, labels[:1], n_resamples=100, seed=0)


def test_a_label_that_was_impossible_is_counted(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    probabilities = submission[list(LABEL_COLUMNS)] * [1, 1, 0]
    submission[list(LABEL_COLUMNS)] = probabilities.div(probabilities.sum(axis=1), axis=0)
    evaluate(submission, battles, labels, n_resamples=20, seed=0)
    assert f"{(battles['label'] == 2).sum()} battles have a label whose probability is 0" in caplog.text
    assert "modelling.tie_prior" in caplog.text
