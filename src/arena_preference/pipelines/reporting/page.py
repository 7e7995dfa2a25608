"""The node of the pipeline ``reporting`` that writes the page."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

import pandas as pd
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from arena_preference.battles import LABEL_COLUMNS

from . import sentences
from .bias_figures import (
    format_ratio,
    plot_formatting_bias,
    plot_position_bias,
    plot_self_enhancement,
    plot_verbosity_bias,
    select_interval,
)
from .config import ReportingConfig
from .drawing import CLASSES
from .failures import ENGLISH_SHARE, OTHER_SCRIPT_SHARE, PROMPT_KIND, plot_prompt_kinds, plot_slices
from .importance import name_feature, plot_ablation, plot_family_importance, plot_feature_importance
from .nodes import (
    bin_predictions,
    find_bayes_limit,
    plot_confusion,
    plot_finetuning,
    plot_learning_curve,
    plot_reliability,
    plot_scores,
    plot_sharpness,
)
from .sentences import format_interval, format_share

_TEMPLATE: Final = "report.html.j2"


@dataclass(frozen=True)
class Table:
    """Headers and rows of text, and what the table holds."""

    caption: str
    headers: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Part:
    """A heading, one sentence that says what is shown, and the figures and tables that show it."""

    title: str
    sentence: str
    figures: list[tuple[str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    note: str = ""
    battles: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """A chapter of the page; ``anchor`` is what the contents link to."""

    anchor: str
    title: str
    parts: list[Part]


def write_report(
    oof_predictions: pd.DataFrame,
    metrics: dict[str, Any],
    simulation_summary: dict[str, Any],
    learning_curve: pd.DataFrame,
    finetuning_history: pd.DataFrame,
    blend_metrics: pd.DataFrame,
    ablation: pd.DataFrame,
    class_metrics: pd.DataFrame,
    position_bias: dict[str, Any],
    verbosity_bias: pd.DataFrame,
    self_enhancement_bias: pd.DataFrame,
    formatting_bias: pd.DataFrame,
    slice_metrics: pd.DataFrame,
    highest_loss_battles: list[dict[str, Any]],
    feature_importance: pd.DataFrame,
    options: ReportingConfig,
    seed: int,
) -> str:
    """Write one page that holds all figures, tables and texts, and refers to nothing outside of itself.

    What this run has nothing to show for (no learning curve, no fine-tuning, no ablation, no names of chatbots, no
    simulated truth) is left out.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        metrics: What ``evaluate_predictions`` gave.
        simulation_summary: What ``summarise_simulation`` gave, or empty.
        learning_curve: As ``plot_learning_curve`` takes it.
        finetuning_history: As ``plot_finetuning`` takes it.
        blend_metrics: What ``measure_blend`` gave.
        ablation: As ``plot_ablation`` takes it.
        class_metrics: What ``score_classes`` gave.
        position_bias: What ``measure_position_bias`` gave.
        verbosity_bias: What ``measure_verbosity_bias`` gave.
        self_enhancement_bias: What ``measure_self_enhancement`` gave.
        formatting_bias: What ``measure_formatting_bias`` gave.
        slice_metrics: What ``score_slices`` gave.
        highest_loss_battles: What ``find_highest_loss_battles`` gave.
        feature_importance: What ``rank_features`` gave.
        options: Parameters ``reporting``.
        seed: The project's seed.

    Returns:
        HTML. Every text and name out of the data is escaped.
    """
    scores = _show_scores(
        oof_predictions, metrics, simulation_summary, learning_curve, finetuning_history, blend_metrics, class_metrics
    )
    sections = [
        Section("scores", "Scores", scores),
        Section("calibration", "Calibration", _show_calibration(oof_predictions, metrics, options)),
        Section(
            "bias", "Bias audit", _show_bias(position_bias, verbosity_bias, self_enhancement_bias, formatting_bias)
        ),
        Section("failures", "Where it fails", _show_failures(slice_metrics, highest_loss_battles, metrics)),
        Section("importance", "What it rests on", _show_importance(feature_importance, ablation, options)),
    ]
    facts = [
        f"{metrics['battles']:,} battles",
        f"{oof_predictions['prompt_group'].nunique():,} prompt groups",
        f"{metrics['folds']} folds",
        f"seed {seed}",
    ]
    tiles = [
        ("log loss", format_interval(metrics["log_loss"])),
        ("accuracy", format_share(metrics["accuracy"])),
        ("expected calibration error", format_interval(metrics["expected_calibration_error"], 3)),
    ]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        sections=sections,
        facts=facts,
        tiles=tiles,
        verdicts=[name for name, _, _ in CLASSES.values()],
        draws=options.n_resamples,
    )


def _show_scores(
    oof_predictions: pd.DataFrame,
    metrics: dict[str, Any],
    simulation_summary: dict[str, Any],
    learning_curve: pd.DataFrame,
    finetuning_history: pd.DataFrame,
    blend_metrics: pd.DataFrame,
    class_metrics: pd.DataFrame,
) -> list[Part]:
    limit = find_bayes_limit(metrics, simulation_summary)
    rows = [
        [
            "this model",
            format_interval(metrics["log_loss"]),
            format_share(metrics["accuracy"]),
            format_interval(metrics["expected_calibration_error"], 3),
        ],
        ["length only", format_interval(metrics["length_log_loss"]), "", ""],
        ["class prior", format_interval(metrics["prior_log_loss"]), "", ""],
    ]
    if limit is not None:
        rows.append(["Bayes limit", f"{limit:.4f}", "", ""])
    compared = Table(
        "Scores out of fold, 95 % intervals", ["", "log loss", "accuracy", "expected calibration error"], rows
    )
    parts = [
        Part(
            "Against the baselines",
            sentences.describe_scores(metrics, limit),
            [_embed("Log loss of the model and its baselines", plot_scores(metrics, simulation_summary))],
            [compared],
        ),
        Part(
            "Class by class",
            sentences.describe_classes(class_metrics),
            [_embed("Confusion matrix", plot_confusion(oof_predictions))],
            [_tabulate_classes(class_metrics)],
        ),
    ]
    if not learning_curve.empty:
        figure = _embed("Learning curve", plot_learning_curve(learning_curve))
        parts.append(Part("More battles", sentences.describe_learning_curve(learning_curve), [figure]))
    if not finetuning_history.empty:
        figure = _embed("Log loss in training", plot_finetuning(finetuning_history))
        parts.append(Part("Cross encoders", sentences.describe_finetuning(finetuning_history, blend_metrics), [figure]))
    return parts


def _show_calibration(oof_predictions: pd.DataFrame, metrics: dict[str, Any], options: ReportingConfig) -> list[Part]:
    bins = bin_predictions(oof_predictions, options)
    reliability = _embed("Reliability diagram", plot_reliability(oof_predictions, metrics, options))
    sharpness = _embed("Histograms of the probabilities", plot_sharpness(oof_predictions))
    largest = oof_predictions[list(LABEL_COLUMNS)].max(axis=1)
    return [
        Part("Reliability", sentences.describe_reliability(metrics, bins), [reliability]),
        Part("Sharpness", sentences.describe_sharpness(largest), [sharpness]),
    ]


def _show_bias(
    position_bias: dict[str, Any],
    verbosity_bias: pd.DataFrame,
    self_enhancement_bias: pd.DataFrame,
    formatting_bias: pd.DataFrame,
) -> list[Part]:
    position = _embed("Mean probability of A minus that of B", plot_position_bias(position_bias))
    parts = [Part("Position", sentences.describe_position(position_bias), [position])]
    if not verbosity_bias.empty:
        figure = _embed("Win rate of the longer answer", plot_verbosity_bias(verbosity_bias))
        bins = verbosity_bias[verbosity_bias["bin"] > 0]
        table = _tabulate_win_rates("times as long", map(format_ratio, bins["times_longer"]), bins)
        note = "Battles whose answers are of equal length have no longer answer and are left out."
        parts.append(Part("Verbosity", sentences.describe_verbosity(verbosity_bias), [figure], [table], note))
    if not self_enhancement_bias.empty:
        figure = _embed("Predicted minus observed win rates", plot_self_enhancement(self_enhancement_bias))
        table = _tabulate_win_rates("chatbot", self_enhancement_bias["chatbot"], self_enhancement_bias)
        left_out = int(self_enhancement_bias["chatbots"].iloc[0]) - len(self_enhancement_bias)
        note = f"{left_out:,} more chatbots, with fewer battles, are not shown." if left_out else ""
        title = "Self-enhancement"
        parts.append(Part(title, sentences.describe_self_enhancement(self_enhancement_bias), [figure], [table], note))
    if not formatting_bias.empty:
        figure = _embed("Coefficients of style control", plot_formatting_bias(formatting_bias))
        note = (
            "A logistic regression of the win on the sides' shares, (a - b) / (a + b), of characters, list items, "
            "headers and bold, ties as half a win each way; fitted to the verdicts and to the predicted probabilities."
        )
        parts.append(Part("Formatting", sentences.describe_formatting(formatting_bias), [figure], [], note))
    return parts


def _show_failures(
    slice_metrics: pd.DataFrame, highest_loss_battles: list[dict[str, Any]], metrics: dict[str, Any]
) -> list[Part]:
    note = (
        f"A prompt is in another script if at least {100 * OTHER_SCRIPT_SHARE:.0f} % of its characters are outside of "
        f"ASCII; else in English if at least {100 * ENGLISH_SHARE:.0f} % of its words are common function words of "
        "English; else in another language in Latin script, or too short to tell. Lengths are those of both answers "
        "together, in quarters. The first-level models agree where all have the same likeliest class."
    )
    slices = _embed("Log loss by part", plot_slices(slice_metrics, metrics))
    parts = [Part("By kind of battle", sentences.describe_slices(slice_metrics, metrics), [slices], [], note)]
    if (slice_metrics["dimension"] == PROMPT_KIND).any():
        kinds = _embed("Log loss by kind of prompt", plot_prompt_kinds(slice_metrics, metrics))
        note = "Kinds are told by words in the prompt; a prompt may be of several."
        parts.append(
            Part("By kind of prompt", sentences.describe_prompt_kinds(slice_metrics, metrics), [kinds], [], note)
        )
    parts.append(
        Part(
            "The most surprising battles",
            sentences.describe_surprises(highest_loss_battles, metrics),
            note=(
                "What spoke for a side are SHAP values in the score of A minus that of B, averaged over both orders. "
                "They explain the stored model, an average over the folds; the probabilities are out of fold."
            ),
            battles=[_show_battle(battle) for battle in highest_loss_battles],
        )
    )
    return parts


def _show_importance(feature_importance: pd.DataFrame, ablation: pd.DataFrame, options: ReportingConfig) -> list[Part]:
    figures = [
        _embed("Importance by family", plot_family_importance(feature_importance)),
        _embed("Importance by feature", plot_feature_importance(feature_importance, options)),
    ]
    parts = [Part("Features", sentences.describe_families(feature_importance), figures)]
    if not ablation.empty:
        ranked = ablation.sort_values("difference", ascending=False, kind="stable")
        rows = [
            [
                str(row["left_out"]).replace("_", " "),
                f"{row['features']:,}",
                f"{row['log_loss']:.4f}",
                format_interval({**row, "value": row["difference"]}, sign=True),
            ]
            for row in ranked.to_dict("records")
        ]
        table = Table("Ablation, out of fold", ["left out", "features", "log loss without", "difference"], rows)
        figure = _embed("What leaving a part out costs", plot_ablation(ablation))
        parts.append(Part("Ablation", sentences.describe_ablation(ablation), [figure], [table]))
    return parts


def _tabulate_classes(class_metrics: pd.DataFrame) -> Table:
    headers = [
        "verdict",
        "battles",
        "observed",
        "mean probability",
        "recall",
        "precision",
        "log loss",
        "contribution",
    ]
    rows = [
        [
            row["verdict"],
            f"{row['battles']:,}",
            *(f"{100 * row[name]:.1f} %" for name in ("observed_share", "mean_probability", "recall", "precision")),
            f"{row['log_loss']:.4f}",
            f"{row['loss_contribution']:.4f}",
        ]
        for row in class_metrics.to_dict("records")
    ]
    return Table("Each class on its own; the contributions sum to the log loss", headers, rows)


def _tabulate_win_rates(header: str, names: Iterable[str], table: pd.DataFrame) -> Table:
    intervals = [select_interval(table, name).to_dict("records") for name in ("predicted", "observed", "difference")]
    rows = [
        [str(name), f"{count:,}", format_share(predicted), format_share(observed), format_interval(difference, 3, True)]
        for name, count, predicted, observed, difference in zip(names, table["battles"], *intervals, strict=True)
    ]
    return Table("Win rates, ties half", [header, "battles", "predicted", "observed", "difference"], rows)


def _show_battle(battle: dict[str, Any]) -> dict[str, Any]:
    speaking = {
        side: [{**reason, "feature": name_feature(reason["feature"])} for reason in battle[side]]
        for side in ("speaks_for_a", "speaks_for_b")
    }
    names = {"prompt": "Prompt", "response_a": "Answer A", "response_b": "Answer B"}
    texts = [(title, battle[key]) for key, title in names.items()]
    return {**battle, **speaking, "texts": texts}


def _embed(title: str, figure: Figure) -> tuple[str, str]:
    """Give the figure's title and its PNG in base 64."""
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return title, base64.b64encode(image.getvalue()).decode("ascii")
