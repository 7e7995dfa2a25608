"""A submission against held-out verdicts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from arena_preference.battles import ID, LABEL_COLUMNS
from arena_preference.pipelines.evaluation.nodes import evaluate_submission


@pytest.fixture
def submission(battles: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    probabilities = pd.DataFrame(rng.dirichlet([1, 1, 1], size=len(battles)), columns=list(LABEL_COLUMNS))
    return pd.concat([battles[ID].reset_index(drop=True), probabilities], axis=1)


@pytest.fixture
def labels(battles: pd.DataFrame) -> pd.DataFrame:
    """The verdicts as text, in another order, with one of a battle that is not in the submission."""
    winners = pd.DataFrame(np.eye(3, dtype=int)[battles["label"]], columns=list(LABEL_COLUMNS)).astype(str)
    table = pd.concat([battles[ID].astype(str).reset_index(drop=True), winners], axis=1)
    stranger = table[:1].assign(**{ID: "3"})
    return pd.concat([stranger, table[::-1]], ignore_index=True)


def test_a_submission_is_scored_as_the_competition_does(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    scores = evaluate_submission(submission, battles, labels, 0)
    probabilities = submission[list(LABEL_COLUMNS)].to_numpy()
    assert scores["battles"] == len(battles)
    assert scores["log_loss"]["value"] == pytest.approx(log_loss(battles["label"], probabilities))
    assert scores["accuracy"]["value"] == pytest.approx((probabilities.argmax(axis=1) == battles["label"]).mean())
    assert scores["log_loss"]["low"] < scores["log_loss"]["value"] < scores["log_loss"]["high"]


def test_verdicts_that_are_none_are_refused(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match="not exactly one of the three"):
        evaluate_submission(submission, battles, labels.assign(winner_tie="1"), 0)
    with pytest.raises(ValueError, match="not exactly one of the three"):
        evaluate_submission(submission, battles, labels.assign(winner_tie="maybe"), 0)


def test_verdicts_of_other_battles_are_refused(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match="No id of the submission is in"):
        evaluate_submission(submission, battles, labels[:1], 0)
