"""Node of the pipeline ``reporting`` that writes the page."""

from importlib.resources import files
from typing import Any, Final

import pandas as pd
from jinja2 import Environment, StrictUndefined

from arena_preference.datasets import StoredFigure

from .config import ReportingConfig
from .drawing import format_feature, format_interval, format_percent, format_ratio, select_interval
from .errors import ENGLISH_FRACTION, OTHER_SCRIPT_FRACTION
from .performance import LABEL_NAMES

_TEMPLATE: Final = "report.html.j2"


def write_report(
    figures: dict[str, StoredFigure],
    performance: dict[str, Any],
    bias_audit: dict[str, Any],
    highest_loss_battles: list[dict[str, Any]],
    ablation: pd.DataFrame,
    config: ReportingConfig,
) -> str:
    """Write one page of all figures and tables, which loads nothing from elsewhere.

    Sections without a figure (no learning curve, no fine-tuning, no names of models, ...) are omitted. The titles of
    the figures are their alternative texts.

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
        tables=_tabulate(performance, bias_audit, ablation),
        battles=highest_loss_battles,
        labels=LABEL_NAMES,
        n_resamples=config.n_resamples,
        english=ENGLISH_FRACTION,
        other_script=OTHER_SCRIPT_FRACTION,
    )


def _tabulate(performance: dict[str, Any], bias_audit: dict[str, Any], ablation: pd.DataFrame) -> dict[str, str]:
    metrics, optimal = performance["metrics"], performance["bayes_optimal_log_loss"]
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
    if len(ablation):
        ranked = ablation.sort_values("difference", ascending=False, kind="stable")
        intervals = ranked.rename(columns={"difference": "value"}).to_dict("records")
        differences = [format_interval(interval, sign=True) for interval in intervals]
        ranked = ranked[["left_out", "features", "log_loss"]].assign(difference=differences)
        tables["ablation"] = to_html(ranked, "Ablation, out of fold")
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
