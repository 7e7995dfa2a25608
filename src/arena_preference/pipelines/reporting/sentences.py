"""The sentences of the report: each says in numbers what a figure shows for this run."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from .bias_figures import excludes_zero, select_interval
from .failures import PROMPT_KIND
from .importance import name_feature, sum_families


def format_interval(interval: Mapping[str, float], digits: int = 4, sign: bool = False) -> str:
    """Write a value with its 95 % interval: ``0.868 [0.835, 0.906]``."""
    spec = f"{'+' if sign else ''}.{digits}f"
    return f"{interval['value']:{spec}} [{interval['low']:{spec}}, {interval['high']:{spec}}]"


def format_share(interval: Mapping[str, float]) -> str:
    """Write a share with its 95 % interval in percent."""
    return f"{100 * interval['value']:.1f}\u00a0% [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]"


def describe_scores(metrics: dict[str, Any], bayes_optimal_log_loss: float | None) -> str:
    """Compare the log loss with those of the baselines."""
    loss = metrics["log_loss"]["value"]
    gaps = [
        f"{abs(gap):.4f} {'below' if gap > 0 else 'above'} {name}"
        for name, gap in (
            ("a model of length alone", metrics["length_log_loss"]["value"] - loss),
            ("the class prior", metrics["prior_log_loss"]["value"] - loss),
        )
    ]
    sentence = (
        f"Out of fold, the log loss is {format_interval(metrics['log_loss'])}, {gaps[0]} and {gaps[1]}; the likeliest "
        f"class is the verdict in {format_share(metrics['accuracy'])} of the battles."
    )
    if bayes_optimal_log_loss is not None:
        sentence += (
            f" The battles are simulated: knowing the true probabilities would give {bayes_optimal_log_loss:.4f}, which is "
            f"{abs(loss - bayes_optimal_log_loss):.4f} {'less' if loss > bayes_optimal_log_loss else 'more'}."
        )
    return sentence


def describe_classes(class_metrics: pd.DataFrame) -> str:
    """Name the class that costs most and the one found least."""
    costly = class_metrics.loc[class_metrics["loss_contribution"].idxmax()]
    missed = class_metrics.loc[class_metrics["recall"].idxmin()]
    share = costly["loss_contribution"] / class_metrics["loss_contribution"].sum()
    return (
        f"Battles with the verdict \u201c{costly['verdict']}\u201d are {_percent(costly['observed_share'])} of all and "
        f"make {_percent(share)} of the log loss; \u201c{missed['verdict']}\u201d is the least often found, in "
        f"{_percent(missed['recall'])} of its battles."
    )


def describe_learning_curve(learning_curve: pd.DataFrame) -> str:
    """Say how the log loss changes with more battles, over all and at the last step."""
    curve = learning_curve.sort_values("battles")
    first, last = curve.iloc[0], curve.iloc[-1]
    if len(curve) == 1:
        return f"Learning from {last['battles']:,.0f} battles gives a log loss of {last['log_loss']:.4f}."
    before = curve.iloc[-2]
    return (
        f"From {first['battles']:,.0f} to {last['battles']:,.0f} training battles the log loss goes from "
        f"{first['log_loss']:.4f} to {last['log_loss']:.4f}; the last step, from {before['battles']:,.0f}, changes it "
        f"by {last['log_loss'] - before['log_loss']:+.4f}."
    )


def describe_finetuning(finetuning_history: pd.DataFrame, blend_metrics: pd.DataFrame) -> str:
    """Say how good the cross encoders became, alone and for the blend with CatBoost."""
    best = finetuning_history.groupby("fold")["log_loss"].min()
    of_model = blend_metrics.set_index("model").to_dict("index")
    return (
        f"{len(best)} cross encoders were trained; on the battles that were set aside to say when to stop, their best "
        f"log losses are between {best.min():.4f} and {best.max():.4f}, a little too good for having been chosen. "
        f"Out of fold, they have a log loss of {format_interval(of_model['cross encoders'])} alone and CatBoost "
        f"{format_interval(of_model['catboost'])}; the blend of both differs from CatBoost by "
        f"{format_interval(of_model['difference'], sign=True)}."
    )


def describe_reliability(metrics: dict[str, Any], bins: pd.DataFrame) -> str:
    """Give the calibration error and how many bins hold the diagonal."""
    holding = ((bins["low"] <= bins["predicted"]) & (bins["predicted"] <= bins["high"])).sum()
    return (
        f"The expected calibration error is {format_interval(metrics['expected_calibration_error'])}; in {holding} of "
        f"{len(bins)} bins the mean prediction lies in the 95 % interval of the observed share."
    )


def describe_sharpness(largest: pd.Series) -> str:
    """Say how large the largest probability is."""
    return (
        f"The largest of the three probabilities is {largest.median():.2f} in the median; it exceeds 0.5 in "
        f"{_percent((largest > 0.5).mean())} of the battles and 0.8 in {_percent((largest > 0.8).mean())}."
    )


def describe_position(position_bias: dict[str, Any]) -> str:
    """Say what the order of the answers does, before and after averaging."""
    return (
        f"To a CatBoost that is asked once, standing first is worth "
        f"{format_interval(position_bias['bias'], 3, sign=True)} in the probability of A minus that of B, and swapping "
        f"the sides flips {format_share(position_bias['flips'])} of its likeliest classes; after averaging both orders "
        f"A minus B is {format_interval(position_bias['averaged'], 3, sign=True)}, in the verdicts "
        f"{format_interval(position_bias['observed'], 3, sign=True)}."
    )


def describe_verbosity(verbosity_bias: pd.DataFrame) -> str:
    """Compare the predicted and observed win rates of the longer answer."""
    everything, bins = verbosity_bias[verbosity_bias["bin"] == 0], verbosity_bias[verbosity_bias["bin"] > 0]
    predicted, observed, difference = (
        select_interval(everything, name).iloc[0] for name in ("predicted", "observed", "difference")
    )
    off = excludes_zero(select_interval(bins, "difference")).sum()
    return (
        f"The longer answer is predicted to win {format_share(predicted)} of the battles and wins "
        f"{format_share(observed)}, ties counting half; the difference is {format_interval(difference, 3, sign=True)}, "
        f"and its interval excludes 0 in {off} of {len(bins)} bins of length."
    )


def describe_self_enhancement(self_enhancement_bias: pd.DataFrame) -> str:
    """Say how many chatbots are favoured or slighted, and which most."""
    differences = select_interval(self_enhancement_bias, "difference")
    count = len(self_enhancement_bias)
    most, least = (
        f"{self_enhancement_bias['chatbot'].iloc[place]} ({format_interval(differences.iloc[place], 3, sign=True)})"
        for place in (0, -1)
    )
    return (
        f"For {excludes_zero(differences).sum()} of {count} chatbots the interval of predicted minus observed win rate "
        f"excludes 0, where chance alone would give about {0.05 * count:.1f}; the extremes are {most} and {least}."
    )


def describe_formatting(formatting_bias: pd.DataFrame) -> str:
    """Name the style that counts most and the one on which predictions and verdicts differ most."""
    strongest = formatting_bias.loc[formatting_bias["verdicts"].abs().idxmax()]
    furthest = formatting_bias.loc[[formatting_bias["difference"].abs().idxmax()]]
    gap = format_interval(select_interval(furthest, "difference").iloc[0], 2, sign=True)
    return (
        f"Per standard deviation, {_name_style(strongest)} sways the verdicts most, by {strongest['verdicts']:+.2f} in "
        f"log odds, and the predictions by {strongest['predictions']:+.2f}; predictions minus verdicts differ most for "
        f"{_name_style(furthest.iloc[0])}, by {gap}."
    )


def describe_slices(slice_metrics: pd.DataFrame, metrics: dict[str, Any]) -> str:
    """Name the hardest and the easiest part outside of the prompt kinds."""
    return _describe_extremes(slice_metrics[slice_metrics["dimension"] != PROMPT_KIND], metrics)


def describe_prompt_kinds(slice_metrics: pd.DataFrame, metrics: dict[str, Any]) -> str:
    """Name the hardest and the easiest kind of prompt."""
    return _describe_extremes(slice_metrics[slice_metrics["dimension"] == PROMPT_KIND], metrics)


def describe_surprises(highest_loss_battles: list[dict[str, Any]], metrics: dict[str, Any]) -> str:
    """Say how much of the loss the most surprising battles make."""
    losses = [battle["log_loss"] for battle in highest_loss_battles]
    share = sum(losses) / (metrics["log_loss"]["value"] * metrics["battles"])
    return (
        f"The {len(losses)} most surprising battles have log losses from {max(losses):.2f} down to {min(losses):.2f} "
        f"and make {_percent(share)} of the whole, being {_percent(len(losses) / metrics['battles'])} of the battles."
    )


def describe_families(feature_importance: pd.DataFrame) -> str:
    """Name the strongest family and the strongest feature."""
    families = sum_families(feature_importance)
    shares = ", ".join(f"{row['family']} {row['importance']:.1f}\u00a0%" for row in families.to_dict("records"))
    first = feature_importance.iloc[0]
    return (
        f"Of the change in scores, the families of features carry: {shares}; the strongest single feature is "
        f"\u201c{name_feature(first['feature'])}\u201d with {first['importance']:.1f}\u00a0%."
    )


def describe_ablation(ablation: pd.DataFrame) -> str:
    """Say how many parts earn their place, and which most."""
    most = ablation.loc[ablation["difference"].idxmax()]
    interval = {"value": most["difference"], "low": most["low"], "high": most["high"]}
    return (
        f"{(ablation['low'] > 0).sum()} of {len(ablation)} parts earn their place, as the log loss without them is "
        f"higher and the interval excludes 0; leaving out \u201c{str(most['left_out']).replace('_', ' ')}\u201d costs "
        f"most, {format_interval(interval, sign=True)}."
    )


def _describe_extremes(parts: pd.DataFrame, metrics: dict[str, Any]) -> str:
    hardest, easiest = parts.loc[parts["value"].idxmax()], parts.loc[parts["value"].idxmin()]
    return (
        f"The log loss is {metrics['log_loss']['value']:.3f} over all battles, highest for {_name_part(hardest)} and "
        f"lowest for {_name_part(easiest)}."
    )


def _name_part(part: pd.Series) -> str:
    return f"\u201c{part['slice']}\u201d ({part['dimension']}) at {format_interval(part, 3)}"


def _name_style(row: pd.Series) -> str:
    return f"the share of {row['style'].replace('_', ' ')}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"
