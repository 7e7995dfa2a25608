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


def test_a_submission_is_scored_as_the_competition_does(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    metrics = evaluate_submission(submission, battles, labels, n_resamples=100, seed=0)
    probabilities = submission[list(LABEL_COLUMNS)].to_numpy()
    assert metrics["battles"] == len(battles)
    assert metrics["log_loss"]["value"] == pytest.approx(log_loss(battles["label"], probabilities))
    assert metrics["accuracy"]["value"] == pytest.approx((probabilities.argmax(axis=1) == battles["label"]).mean())
    assert metrics["log_loss"]["low"] < metrics["log_loss"]["value"] < metrics["log_loss"]["high"]


@pytest.mark.parametrize("cell", ["1", "maybe", ""])
def test_a_row_without_exactly_one_winner_is_rejected_by_its_id(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame, cell: str
) -> None:
    row = labels.index[labels["winner_model_a"] == "1"][0]
    labels.loc[row, "winner_tie"] = cell
    with pytest.raises(ValueError, match=rf"test_labels\.csv has 1 .*{labels.loc[row, 'id']}"):
        evaluate_submission(submission, battles, labels, n_resamples=100, seed=0)


def test_labels_of_other_battles_are_rejected(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match=r"test_labels\.csv.*pipeline submission"):
        evaluate_submission(submission, battles, labels[:1], n_resamples=100, seed=0)


def test_a_label_that_was_impossible_is_counted(
    submission: pd.DataFrame, battles: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    probabilities = submission[list(LABEL_COLUMNS)] * [1, 1, 0]
    submission[list(LABEL_COLUMNS)] = probabilities.div(probabilities.sum(axis=1), axis=0)
    winners = pd.DataFrame(np.eye(3, dtype=int)[battles["label"]], columns=list(LABEL_COLUMNS)).astype(str)
    rows = battles[[ID]].join(winners).to_dict("records")
    raw = [RawTable("test_labels.csv", "test_labels.csv", rows, rows)]
    evaluate_submission(submission, battles, raw, n_resamples=20, seed=0)
    assert f"{(battles['label'] == 2).sum()} battles have a label whose probability is 0" in caplog.text
    assert "modelling.tie_prior" in caplog.text
