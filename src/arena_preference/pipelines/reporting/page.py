"""Node of the pipeline ``reporting`` that writes the page."""

from importlib.resources import files
from typing import Any, Final

import pandas as pd
from jinja2 import Environment, StrictUndefined

from arena_preference.datasets import StoredFigure

from .drawing import format_feature, format_interval, format_percent, format_ratio, select_interval
from .errors import ENGLISH_FRACTION, MODELS, OTHER_SCRIPT_FRACTION, SOURCE
from .performance import LABEL_NAMES

_TEMPLATE: Final = "report.html.j2"


def write_report(
    figures: dict[str, StoredFigure],
    performance: dict[str, Any],
    bias_audit: dict[str, Any],
    slice_metrics: pd.DataFrame,
    highest_loss_battles: list[dict[str, Any]],
    ingestion_summary: dict[str, Any],
) -> str:
    """Write one page of all figures and tables, which loads nothing from elsewhere.

    Sections without a figure or table (no learning curve, no fine-tuning, no names of models, ...) are omitted. The
    titles of the figures are their alternative texts.

    Returns:
        HTML, in which every text and name from the data is escaped.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(feature=format_feature, interval=format_interval, percent=format_percent)
    template = environment.from_string(files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        figures=figures,
        metrics=performance["metrics"],
        prompt_groups=performance["prompt_groups"],
        position=bias_audit["position"],
        hidden_models=bias_audit["models"] - len(bias_audit["self_enhancement"]),
        tables={
            **_tabulate(performance, bias_audit),
            **_tabulate_sources(ingestion_summary["sources"]),
            **_tabulate_slices(slice_metrics),
        },
        battles=highest_loss_battles,
        labels=LABEL_NAMES,
        has_several_sources=len(ingestion_summary["sources"]) > 1,
        voted_by_ai=[row["source"] for row in ingestion_summary["sources"] if row["voters"] == "AI"],
        n_resamples=bias_audit["n_resamples"],
        english=ENGLISH_FRACTION,
        other_script=OTHER_SCRIPT_FRACTION,
    )


def _tabulate(performance: dict[str, Any], bias_audit: dict[str, Any]) -> dict[str, str]:
    metrics, optimal = performance["metrics"], performance["metrics"].get("bayes_optimal_log_loss")
    accuracy, error = format_percent(metrics["accuracy"]), format_interval(metrics["expected_calibration_error"], 3)
    scores = [
        ("this model", format_interval(metrics["log_loss"]), accuracy, error),
        ("length baseline", format_interval(metrics["length_log_loss"]), "", ""),
        ("class prior", format_interval(metrics["prior_log_loss"]), "", ""),
        *([("Bayes-optimal", f"{optimal:.4f}", "", "")] if optimal is not None else []),
    ]
    blend = [
        (name.replace("_", " "), format_interval(interval, sign=name == "difference"))
        for name, interval in metrics.get("blend", {}).items()
    ]
    score_table = pd.DataFrame(scores, columns=["model", "log loss", "accuracy", "expected calibration error"])
    classes = pd.DataFrame(performance["classes"])
    verbosity, models = pd.DataFrame(bias_audit["verbosity"]), pd.DataFrame(bias_audit["self_enhancement"])
    tables = {
        "scores": to_html(score_table, "Scores out of fold"),
        "classes": to_html(classes, "Scores of each class; the contributions sum to the log loss"),
    }
    if blend:
        tables["blend"] = to_html(pd.DataFrame(blend, columns=["model", "log loss"]), "Out-of-fold log loss")
    if len(verbosity):
        bins = verbosity[verbosity["bin"] > 0]
        tables["verbosity"] = _tabulate_win_rates("length ratio", bins["length_ratio"].map(format_ratio), bins)
    if len(models):
        tables["self_enhancement"] = _tabulate_win_rates("model", models["model"], models)
    if len(ablation := pd.DataFrame(performance["ablation"])):
        intervals = ablation.rename(columns={"difference": "value"}).to_dict("records")
        differences = [format_interval(interval, sign=True) for interval in intervals]
        ablation = ablation[["left_out", "features", "log_loss"]].assign(difference=differences)
        tables["ablation"] = to_html(ablation, "Ablation, out of fold")
    return tables


def _tabulate_sources(sources: list[dict[str, Any]]) -> dict[str, str]:
    """Tables of what ingestion read, and of the rows that it rejected, if any."""
    files = pd.DataFrame(
        {
            "file": row["source"],
            "format": row["format"],
            "votes of": "AI judges" if row["voters"] == "AI" else row["voters"],
            "battles": row["battles"],
            "rejected rows": sum(row["rejected"].values()),
            **{f"label {name}": row[name.lower()] for name in ("A", "B", "tie")},
            "prompts": row["prompts"],
        }
        for row in sources
    )
    rejected = [
        {"file": row["source"], "reason": reason, "rows": count}
        for row in sources
        for reason, count in row["rejected"].items()
    ]
    tables = {"sources": to_html(files, "Files, and the battles that are used")}
    if rejected:
        tables["rejected"] = to_html(pd.DataFrame(rejected), "Rejected rows")
    return tables


def _tabulate_slices(slice_metrics: pd.DataFrame) -> dict[str, str]:
    """Tables of the slices that have no figure, where there are any."""
    tables = {}
    for dimension, header in ((SOURCE, "file"), (MODELS, "models")):
        slices = slice_metrics[slice_metrics["dimension"] == dimension]
        if len(slices):
            prior, accuracy = (
                select_interval(slices, name).to_dict("records") for name in ("prior_log_loss", "accuracy")
            )
            columns = {
                header: slices["slice"],
                "battles": slices["battles"],
                "log loss": [format_interval(interval) for interval in slices.to_dict("records")],
                "class prior's": [format_interval(interval) for interval in prior],
                "accuracy": [format_percent(interval) for interval in accuracy],
            }
            tables[dimension] = to_html(pd.DataFrame(columns), f"Scores by {header}, out of fold")
    return tables


def _tabulate_win_rates(header: str, names: pd.Series, table: pd.DataFrame) -> str:
    columns: dict[str, Any] = {header: names, "battles": table["battles"]}
    for name in ("predicted", "observed"):
        columns[name] = [format_percent(interval) for interval in select_interval(table, name).to_dict("records")]
    differences = select_interval(table, "difference").to_dict("records")
    columns["difference"] = [format_interval(interval, 3, sign=True) for interval in differences]
    return to_html(pd.DataFrame(columns), "Win rates, a tie counting as half")


def to_html(table: pd.DataFrame, caption: str) -> str:
    """Return a table as HTML without styles: escaped, thousands with commas, four digits after the point."""
    table = table.rename(columns=lambda name: name.replace("_", " "))
    styler = table.style.hide(axis="index").set_caption(caption).format(precision=4, thousands=",", escape="html")
    html: str = styler.to_html(exclude_styles=True)
    return html
