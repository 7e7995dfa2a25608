import numpy as np
import pandas as pd
import pytest

from arena_preference.pipelines.submission.nodes import make_submission

BATTLES = pd.DataFrame({"id": ["007", "3", "4294967297"], "source": "test.csv", "row": [0, 2, 1]})
LABELS = pd.DataFrame({"id": ["8", "9"], "source": "train.csv"})


@pytest.fixture
def predictions() -> pd.DataFrame:
    return pd.DataFrame(
        {"id": ["007", "3", "4294967297"], "winner_model_a": 0.5, "winner_model_b": 0.3, "winner_tie": 0.2}
    )


def test_submission_has_the_competitions_header_and_the_files_order(predictions: pd.DataFrame) -> None:
    submission = make_submission(predictions, BATTLES, LABELS)
    assert submission.to_csv(index=False).splitlines()[:3] == [
        "id,winner_model_a,winner_model_b,winner_tie",
        "007,0.5,0.3,0.2",
        "4294967297,0.5,0.3,0.2",
    ]


def test_predictions_in_another_order_are_put_into_the_files(predictions: pd.DataFrame) -> None:
    predictions["winner_model_a"] = [0.5, 0.4, 0.3]
    predictions["winner_tie"] = [0.2, 0.3, 0.4]
    moved = predictions.iloc[[1, 2, 0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        make_submission(moved, BATTLES, LABELS), make_submission(predictions, BATTLES, LABELS)
    )


@pytest.mark.parametrize("rows", [[0, 1], [0, 1, 1], [0, 0, 1, 2]])
def test_a_lost_or_repeated_id_is_rejected(predictions: pd.DataFrame, rows: list[int]) -> None:
    with pytest.raises(ValueError, match="test_predictions"):
        make_submission(predictions.iloc[rows].reset_index(drop=True), BATTLES, LABELS)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.7])
def test_a_row_that_is_not_a_distribution_is_rejected_with_its_id(predictions: pd.DataFrame, value: float) -> None:
    predictions.loc[2, "winner_tie"] = value
    with pytest.raises(ValueError, match=r"1 .* 4294967297"):
        make_submission(predictions, BATTLES, LABELS)


def test_ids_of_training_battles_are_counted_in_a_warning(
    predictions: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    make_submission(predictions, BATTLES, LABELS)
    assert caplog.text == ""
    make_submission(predictions, BATTLES, LABELS.assign(id=["3", "9"]))
    assert "1 of the 3 ids" in caplog.text
    several = pd.DataFrame({"id": ["a.csv/4294967297", "b.csv/3", "b.csv/9"], "source": ["a.csv", "b.csv", "b.csv"]})
    make_submission(predictions, BATTLES, several)
    assert "2 of the 3 ids" in caplog.text
