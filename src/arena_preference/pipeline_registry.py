"""The pipelines of the project, and what a plain ``kedro run`` does."""

import pkgutil

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

from arena_preference import pipelines as packages

#: Run only by name: the first three write raw files, the fourth searches for parameters, the last needs the labels of
#: the test file.
ON_DEMAND = frozenset({"download", "simulation", "distil", "tuning", "evaluation"})


def list_pipelines() -> list[str]:
    """Return the names of all pipelines, without importing their packages."""
    return ["__default__", *sorted(module.name for module in pkgutil.iter_modules(packages.__path__))]


def register_pipelines() -> dict[str, Pipeline]:
    """Register every package under ``pipelines``; the default run is training, reporting and submission in one go.

    Returns:
        Pipelines by name. ``kedro run --pipelines=x`` imports only the packages that x needs.
    """
    pipelines = find_pipelines(raise_errors=True)
    if "submission" in pipelines:
        pipelines["submission"] += _predict_test_battles()
    if "__default__" in pipelines:
        default = (pipeline for name, pipeline in pipelines.items() if name not in ON_DEMAND)
        pipelines["__default__"] = sum(default, start=Pipeline([]))
    return pipelines


def _predict_test_battles() -> Pipeline:
    from arena_preference.pipelines import embedding, features, finetuning, ingestion, modelling

    stages = (ingestion, features, embedding, finetuning, modelling)
    return sum((stage.create_pipeline(splits=("test",)) for stage in stages), start=Pipeline([]))
