import pandas as pd
import pytest

from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.pipelines.reporting.importance import (
    plot_ablation,
    plot_family_importance,
    plot_feature_importance,
    rank_features,
    sum_families,
)

from .conftest import NO_ABLATION, Run


def test_importance_names_the_strongest_feature_first(run: Run, options: ReportingConfig) -> None:
    ranking = rank_features(run.preference_model, run.feature_groups)
    assert ranking["importance"].sum() == pytest.approx(100)
    axes = plot_feature_importance(ranking, options).axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert len(names) == 3
    assert names[0] == "characters · share"
    strongest = max(axes.patches, key=lambda bar: bar.get_y())
    assert strongest.get_width() == pytest.approx(max(run.preference_model.get_feature_importance()))


def test_families_add_up_to_the_whole(run: Run) -> None:
    families = sum_families(rank_features(run.preference_model, run.feature_groups))
    assert families["importance"].sum() == pytest.approx(100)
    assert dict(zip(families["family"], families["features"], strict=True)) == {"text": 8, "latent": 1}
    assert len(plot_family_importance(rank_features(run.preference_model, run.feature_groups)).axes[0].patches) == 2


def test_the_part_that_costs_most_is_on_top_and_no_ablation_is_a_note() -> None:
    table = pd.DataFrame(
        {
            "left_out": ["embedding", "ngrams"],
            "features": [3, 2],
            "log_loss": [0.9, 1.0],
            "difference": [-0.01, 0.1],
            "low": [-0.02, 0.05],
            "high": [0.01, 0.15],
        }
    )
    axes = plot_ablation(table).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["ngrams", "embedding"]
    assert not plot_ablation(NO_ABLATION).axes
