import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier

from arena_preference.battles import LABEL_COLUMNS
from arena_preference.pipelines.reporting.nodes import plot_feature_importance, plot_reliability
from arena_preference.pipelines.reporting.options import ReportingOptions

OPTIONS = ReportingOptions(reliability_bins=5, top_features=3)
METRICS = {"battles": 3000, "log_loss": {"value": 1.0}, "expected_calibration_error": {"value": 0.01}}


def test_reliability_of_perfect_predictions_lies_on_the_diagonal(rng: np.random.Generator) -> None:
    probabilities = rng.dirichlet([2, 2, 2], size=3000)
    table = pd.DataFrame(probabilities, columns=list(LABEL_COLUMNS))
    table["label"] = [rng.choice(3, p=row) for row in probabilities]
    axes = plot_reliability(table, METRICS, OPTIONS).axes[0]
    assert len(axes.containers) == 3
    for container in axes.containers:
        predicted, observed = container.lines[0].get_data()
        assert len(predicted) == 5
        np.testing.assert_allclose(observed, predicted, atol=0.07)


def test_reliability_of_overconfident_predictions_leaves_the_diagonal(rng: np.random.Generator) -> None:
    probabilities = rng.dirichlet([0.3, 0.3, 0.3], size=3000)
    table = pd.DataFrame(probabilities, columns=list(LABEL_COLUMNS))
    table["label"] = rng.integers(3, size=3000)
    predicted, observed = plot_reliability(table, METRICS, OPTIONS).axes[0].containers[0].lines[0].get_data()
    assert predicted[-1] - observed[-1] > 0.4


def test_importance_names_the_strongest_feature_first(model_input: pd.DataFrame, battles: pd.DataFrame) -> None:
    model = CatBoostClassifier(
        loss_function="MultiClass", iterations=30, depth=3, allow_writing_files=False, verbose=False
    )
    model.fit(model_input.drop(columns="id"), battles["label"])
    axes = plot_feature_importance(model, OPTIONS).axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert len(names) == 3
    assert names[-1] == "characters · log ratio"
    widths = np.array([bar.get_width() for bar in axes.patches])
    assert widths.max() == pytest.approx(max(model.get_feature_importance()))
