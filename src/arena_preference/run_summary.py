"""Logs the metrics of a run and the paths of its outputs when it ends."""

import logging
import os
from pathlib import Path
from typing import Any, Final

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog

logger = logging.getLogger(__name__)

# Titles of the main outputs.
_OUTPUTS: Final = {
    "submission": "Submission",
    "report": "Report",
    "preference_model": "Model",
    "submission_metrics": "Evaluation",
    "tuned_parameters": "Parameters",
}


class SummaryHooks:
    """Logs metrics with their baselines, the paths of the main outputs, and what to do next."""

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], catalog: DataCatalog) -> None:
        """Log the summary, from the run's manifest and metrics."""
        written = catalog.load("runs")[run_params["run_id"]]()["written"]
        lines = _describe_metrics(catalog.load("metrics")) if "metrics" in written else []
        lines += [
            f"{title:11} {_shorten(written[name]['path'])}" for name, title in _OUTPUTS.items() if name in written
        ]
        if "report" in written:
            lines.append("Next        open the report; look at every dataset with `kedro viz`;")
            lines.append("            use your own battles with `kedro run --params=raw_dir=DIR`")
        if lines:
            logger.info("\n%s", "\n".join(lines))


def _describe_metrics(metrics: dict[str, Any]) -> list[str]:
    """Return two lines: log loss and accuracy with 95 % intervals, and the log loss of the baselines."""
    prior, length = (metrics[f"{name}_log_loss"]["value"] for name in ("prior", "length"))
    return [
        f"{'Log loss':11} {_format(metrics['log_loss'])} on {metrics['battles']:,} battles out of fold; class prior "
        f"{prior:.4f}, length baseline {length:.4f}",
        f"{'Accuracy':11} {_format(metrics['accuracy'])}",
    ]


def _format(interval: dict[str, float]) -> str:
    return f"{interval['value']:.4f} [{interval['low']:.4f}, {interval['high']:.4f}]"


def _shorten(path: str) -> str:
    """Return the path relative to the working directory if it is below it."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path
