"""The pipelines of the project, and what a plain ``kedro run`` does."""

import pkgutil

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

from arena_preference import pipelines as packages

#: Run only by name: the first two write raw files, the next two make a smaller model of a run's model, the fifth
#: searches for parameters, the last needs the labels of the test file.
ON_DEMAND = frozenset({"download", "simulation", "distil", "student", "tuning", "evaluation"})


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
    if "student" in pipelines:
        pipelines["student"] += _train_student()
    if "__default__" in pipelines:
        default = (pipeline for name, pipeline in pipelines.items() if name not in ON_DEMAND)
        pipelines["__default__"] = sum(default, start=Pipeline([]))
    return pipelines


def _predict_test_battles() -> Pipeline:
    from arena_preference.pipelines import embedding, features, finetuning, ingestion, modelling

    stages = (ingestion, features, embedding, finetuning, modelling)
    return sum((stage.create_pipeline(splits=("test",)) for stage in stages), start=Pipeline([]))


def _train_student() -> Pipeline:
    """The stages after ingestion, without what the student has nodes of its own for."""
    from arena_preference.pipelines import embedding, features, modelling, reporting, submission

    stages = (features, embedding, modelling, reporting, submission)
    pipeline = sum((stage.create_pipeline() for stage in stages), start=Pipeline([]))
    return pipeline - Pipeline([node for node in pipeline.nodes if node.name == "modelling.fit_preference_model"])
