"""The page as a whole, from all nodes on small battles."""

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from arena_preference.pipelines.reporting import bias, failures, importance, nodes
from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.pipelines.reporting.page import write_report

from .conftest import Run

VOID = {"meta", "img", "br", "link", "hr", "input"}
CURVE = pd.DataFrame({"battles": [100.0, 160.0], "log_loss": [1.0, 0.9], "low": [0.9, 0.8], "high": [1.1, 1.0]})
HISTORY = pd.DataFrame(
    {"fold": [0.0, 0.0, 1.0], "step": [1.0, 1.0, 1.0], "loss": [1.0, None, None], "log_loss": [None, 0.91, 0.95]}
)
BLEND = pd.DataFrame(
    {
        "model": ["cross encoders", "catboost", "blend", "difference"],
        "value": [0.96, 0.86, 0.856, -0.004],
        "low": [0.93, 0.83, 0.826, -0.007],
        "high": [0.99, 0.89, 0.886, -0.001],
    }
)
ABLATION = pd.DataFrame(
    {"left_out": ["embedding"], "features": [3], "log_loss": [0.95], "difference": [0.05], "low": [0.01], "high": [0.1]}
)


class Page(HTMLParser):
    """Reads a page and holds every tag to its end."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        attributes = dict(attrs)
        self.links += [attributes[name] or "" for name in ("src", "href", "srcset", "action") if name in attributes]
        self.ids += [attributes["id"] or ""] if "id" in attributes else []
        self.handlers += [name for name in attributes if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def write(run: Run, options: ReportingConfig) -> str:
    oof, seed = run.oof_predictions, 0
    return write_report(
        oof,
        run.metrics,
        run.simulation_summary,
        run.learning_curve,
        run.finetuning_history,
        run.blend_metrics,
        run.ablation,
        nodes.score_classes(oof),
        bias.measure_position_bias(oof, run.base_model_predictions, options, seed),
        bias.measure_verbosity_bias(oof, run.battles, options, seed),
        bias.measure_self_enhancement(oof, run.battles, options, seed),
        bias.measure_formatting_bias(oof, run.model_input, options, seed),
        failures.score_slices(oof, run.battles, run.model_input, run.base_model_predictions, options, seed),
        failures.find_highest_loss_battles(oof, run.battles, run.model_input, run.preference_model, options),
        importance.rank_features(run.preference_model, run.feature_groups),
        options,
        seed,
    )


@pytest.fixture
def full_run(run: Run) -> Run:
    """A run that has something to show for every part of the page."""
    run.learning_curve, run.finetuning_history, run.ablation = CURVE, HISTORY, ABLATION
    run.blend_metrics = BLEND
    run.simulation_summary = {"train": {"battles": len(run.battles), "bayes_optimal_log_loss": 0.8123}}
    run.battles["model_a"] = ["red", "green", "blue", "grey"] * 60
    run.battles["model_b"] = ["green", "blue", "grey", "red"] * 60
    return run


def test_the_page_is_whole_well_formed_and_refers_to_nothing_outside(full_run: Run, options: ReportingConfig) -> None:
    html = write(full_run, options)
    page = Page(html)
    assert page.open == []
    assert len(html.encode()) < 5_000_000
    assert 'name="viewport"' in html
    for link in page.links:
        assert link.startswith("data:image/png;base64,") or link.removeprefix("#") in page.ids
    assert not re.search(r"url\(|@import|https?://", html)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    # Fifteen figures, and each section of the contents.
    assert page.tags.count("img") == 15
    assert page.ids == ["scores", "calibration", "bias", "failures", "importance"]
    assert page.tags.count("details") == 4
    assert "240 battles · 80 prompt groups · 3 folds · seed 0" in page.text


def test_the_page_says_what_the_cross_encoders_are_worth(full_run: Run, options: ReportingConfig) -> None:
    text = Page(write(full_run, options)).text
    assert "they have a log loss of 0.9600 [0.9300, 0.9900] alone and CatBoost 0.8600 [0.8300, 0.8900]" in text
    assert "the blend of both differs from CatBoost by -0.0040 [-0.0070, -0.0010]." in text


def test_what_a_run_has_nothing_to_show_for_leaves_no_trace(run: Run, options: ReportingConfig) -> None:
    page = Page(write(run, options))
    assert page.tags.count("img") == 11
    for word in (
        "ablation",
        "cross encoder",
        "more battles",
        "learning curve",
        "self-enhancement",
        "bayes",
        "simulated",
        "chatbot",
    ):
        assert word not in page.text.lower()


def test_the_bayes_limit_is_shown_only_where_it_is_that_of_these_battles(
    full_run: Run, options: ReportingConfig
) -> None:
    assert "0.8123" in write(full_run, options)
    full_run.simulation_summary["train"]["battles"] = 2 * len(full_run.battles)
    assert "0.8123" not in write(full_run, options)


def test_texts_and_names_are_shown_and_never_run(full_run: Run, options: ReportingConfig) -> None:
    attack = "</div></script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onload=alert(1)"
    for column in ("prompt", "response_a", "response_b"):
        full_run.battles[column] = [[attack + "!" * (column == "response_b")]] * len(full_run.battles)
    full_run.battles["model_a"] = "<b>red</b>"
    page = Page(write(full_run, options))
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert page.handlers == []
    assert page.tags.count("img") == 15
    assert page.text.count(attack) == 3 * page.tags.count("details")
    assert "<b>red</b>" in page.text


def test_texts_in_any_script_are_isolated_and_odd_ones_break_nothing(run: Run, options: ReportingConfig) -> None:
    run.battles["prompt"] = [["مرحبا \u202eabc", None, "🎉"]] * len(run.battles)
    run.battles["response_a"] = [[]] * len(run.battles)
    run.battles["response_b"] = [[None, "\ud83d\x00"]] * len(run.battles)
    html = write(run, options)
    html.encode("utf-8")
    page = Page(html)
    assert "مرحبا" in page.text
    assert "🎉" in page.text
    assert "No turns." in page.text
    assert "\x00" not in html
    assert 'class="text" dir="auto"' in html


def test_the_same_run_gives_the_same_page(full_run: Run, options: ReportingConfig) -> None:
    assert write(full_run, options) == write(full_run, options)
