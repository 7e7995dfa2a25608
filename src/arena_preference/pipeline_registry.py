"""Which pipelines there are, and what a plain ``kedro run`` does."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

#: Run only when asked for by name: two bring the battles that the others read, one searches for their parameters, and
#: one wants verdicts that a test file usually does not have.
NOT_IN_DEFAULT_RUN = frozenset({"__default__", "download", "simulation", "tuning", "scoring"})


def register_pipelines() -> dict[str, Pipeline]:
    """Register every package under ``pipelines``; the default run is training, reporting and submission in one go.

    Returns:
        Pipelines by name. ``kedro run --pipelines=x`` asks for x alone, and only its package is imported.
    """
    pipelines = find_pipelines(raise_errors=True)
    if "__default__" in pipelines:
        # Imported with the pipelines themselves: a command that wants none of them starts without.
        from arena_preference.pipelines.ingestion.pipeline import create_comparison

        parts = (part for name, part in pipelines.items() if name not in NOT_IN_DEFAULT_RUN)
        pipelines["__default__"] = sum(parts, start=create_comparison())
    return pipelines
