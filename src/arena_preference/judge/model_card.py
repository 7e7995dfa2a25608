"""The model card of an export. All of its numbers are from the files of the run."""

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, StrictUndefined

from arena_preference.lineage.manifest import Manifest, open_manifests
from arena_preference.lineage.pinning import view_runs
from arena_preference.lineage.storage import CatalogStorage
from arena_preference.pretrained import list_transformers

#: Datasets of a run that the card quotes if they are stored.
REPORTS: Final = ("ingestion_summary", "metrics", "bias_audit")

_NAME: Final = "arena-preference"
_TEMPLATE: Final = "model_card.md.j2"
_SCORES: Final = {
    "log_loss": "log loss",
    "length_log_loss": "log loss of the length baseline",
    "prior_log_loss": "log loss of the class prior",
    "accuracy": "accuracy",
    "expected_calibration_error": "expected calibration error",
}


def write_card(manifest: Manifest, storage: CatalogStorage, fitted: Iterable[str]) -> str:
    """Write the card of a run from its manifest and from the reports in the storage, whose hashes were checked.

    Args:
        manifest: Of the run.
        storage: Storage of the export.
        fitted: The datasets whose hashes the card has.
    """
    manifests = open_manifests(storage).read_all()
    view = view_runs(manifests)[manifest.run_id]
    paths = {name: Path(storage.locate(name, view[name]).path) for name in REPORTS if name in view}
    reports = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}
    # Manifests have the values without their intervals.
    metrics = reports.get("metrics", manifest.metrics)
    transformers = list_transformers(manifest.parameters)
    data = ModelCardData(
        library_name=_NAME,
        pipeline_tag="text-classification",
        tags=["human-preference", "reward-model", "llm-as-a-judge"],
        # Those on the Hub; a folder means nothing elsewhere.
        base_model=[each["model"] for each in transformers.values() if each["revision"]] or None,
        model_name=_NAME,
        eval_results=_list_results(metrics),
    )
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 - Markdown
    environment.filters["interval"] = _format
    text = environment.from_string(files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")).render(
        manifest=manifest,
        sources=reports.get("ingestion_summary", {}).get("sources", []),
        metrics=metrics,
        scores={title: metrics[name] for name, title in _SCORES.items() if name in metrics},
        bias_audit=reports.get("bias_audit"),
        transformers=transformers,
        hashes={name: manifests[view[name]].written[name].sha256 for name in sorted(fitted)},
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}"))


def _list_results(metrics: Mapping[str, Any]) -> list[EvalResult] | None:
    """The scores as the Hub's metadata has them."""
    results = [
        EvalResult(
            task_type="text-classification",
            task_name="Human preference between two responses",
            dataset_type="own",
            dataset_name=f"{metrics.get('source', 'training battles')}, out of fold",
            metric_type=name,
            metric_name=name.replace("_", " "),
            metric_value=round(_get_value(metrics[name]), 4),
        )
        for name in ("log_loss", "accuracy")
        if name in metrics
    ]
    return results or None


def _get_value(metric: Any) -> float:
    return float(metric["value"] if isinstance(metric, Mapping) else metric)


def _format(metric: Any, prefix: str = "") -> str:
    """A value with its 95 % interval, if it has one; with a prefix, those of columns of a table."""
    if isinstance(metric, Mapping) and prefix:
        metric = {"value": metric[prefix], "low": metric[f"{prefix}_low"], "high": metric[f"{prefix}_high"]}
    interval = f" [{metric['low']:.4f}, {metric['high']:.4f}]" if isinstance(metric, Mapping) else ""
    return f"{_get_value(metric):.4f}{interval}"
