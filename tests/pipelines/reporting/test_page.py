"""The page, from the numbers of small battles and from small figures."""

import re
from html.parser import HTMLParser

import pandas as pd
from matplotlib.figure import Figure

from arena_preference.datasets import StoredFigure
from arena_preference.pipelines.reporting.bias import measure_biases
from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.pipelines.reporting.errors import find_highest_loss_battles, score_slices
from arena_preference.pipelines.reporting.page import to_html, write_report
from arena_preference.pipelines.reporting.performance import summarise_performance

from .conftest import Run

VOID = {"meta", "img", "br", "link", "hr", "input"}
ALWAYS = (
    *("scores", "confusion_matrix", "reliability", "probabilities", "position_bias", "verbosity_bias", "slices"),
    *("formatting_bias", "prompt_kinds", "feature_groups", "feature_importance"),
)
OPTIONAL = ("learning_curve", "finetuning", "self_enhancement_bias", "languages", "categories", "ablation")


class Page(HTMLParser):
    """Parses a page and requires an end of every tag."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.images: list[tuple[str | None, str | None]] = []
        self.handlers: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        attributes = dict(attrs)
        self.links += [attributes[name] or "" for name in ("src", "href", "srcset", "action") if name in attributes]
        self.ids += [attributes["id"] or ""] if "id" in attributes else []
        self.images += [(attributes.get("alt"), attributes.get("src"))] if tag == "img" else []
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


def draw(title: str) -> StoredFigure:
    figure = Figure(figsize=(1, 1), dpi=10)
    figure.suptitle(title)
    return StoredFigure.render(figure)


def write(run: Run, config: ReportingConfig, names: tuple[str, ...] = ALWAYS + OPTIONAL) -> str:
    oof, battles, features = run.oof_predictions, run.battles, run.model_input
    return write_report(
        {name: draw(f"caption of {name}") for name in names},
        summarise_performance(oof, run.metrics, run.learning_curve, run.cross_encoders, run.ablation, config),
        measure_biases(oof, battles, features, run.ingestion_summary, config, 0),
        score_slices(oof, battles, features, run.ingestion_summary, config, 0),
        find_highest_loss_battles(oof, battles, features, run.linear_model, run.preference_model, config),
        run.ingestion_summary,
    )


def test_the_page_is_well_formed_and_refers_to_nothing_outside(full_run: Run, config: ReportingConfig) -> None:
    html = write(full_run, config)
    page = Page(html)
    assert page.open == []
    assert 'name="viewport"' in html
    assert "prefers-color-scheme: dark" in html
    for link in page.links:
        assert link.startswith("data:image/png;base64,") or link.removeprefix("#") in page.ids
    assert not re.search(r"url\(|@import|https?://", html)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert {alt for alt, _ in page.images} == {f"caption of {name}" for name in ALWAYS + OPTIONAL}
    assert page.ids == ["battles", "performance", "calibration", "bias", "errors", "importance"]
    assert page.tags.count("details") == 4
    assert page.tags.count("caption") == 10
    assert "200 battles · 80 prompt groups · 3 folds · of train.csv" in page.text
    assert "100 bootstrap resamples" in page.text


def test_tables_hold_the_numbers_of_the_run(full_run: Run, config: ReportingConfig) -> None:
    text = Page(write(full_run, config)).text
    for row in (
        "this model 0.9000 [0.8000, 1.0000] 90.0 % [80.0, 100.0] 0.900 [0.800, 1.000]",
        "Bayes-optimal 0.8123",
        "cross encoders 0.9600 [0.9300, 0.9900]",
        "difference -0.0040 [-0.0070, -0.0010]",
        "embedding 3 0.9500 +0.0500 [+0.0100, +0.1000]",
        "file format votes of battles rejected rows label A label B label tie prompts",
        "prompts train.csv competition people 200 0",
        "ai_votes.csv competition AI judges 40 3",
        "ai_votes.csv winner is missing 2 ai_votes.csv the same battle in another file 1",
        "Votes of AI judges, not of people: ai_votes.csv.",
        "Models with fewer battles that are not shown: 1.",
    ):
        assert row in " ".join(text.split())


def test_sections_without_results_are_omitted(run: Run, config: ReportingConfig) -> None:
    page = Page(write(run, config, ALWAYS))
    assert page.tags.count("img") == len(ALWAYS)
    assert page.tags.count("caption") == 4
    for word in ("ablation", "cross encoder", "learning curve", "self-enhancement", "bayes", "rejected rows file"):
        assert word not in page.text.lower()
    for word in ("all files", "AI judges", "languages", "categories", "unseen"):
        assert word not in page.text


def test_texts_and_names_are_shown_and_never_run(full_run: Run, config: ReportingConfig) -> None:
    attack = "</div></script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onload=alert(1)"
    for column in ("prompt", "response_a", "response_b"):
        full_run.battles[column] = [[attack + "!" * (column == "response_b")]] * len(full_run.battles)
    full_run.battles["model_a"] = "<b>red</b>"
    full_run.ablation["left_out"] = "<b>part</b>"
    page = Page(write(full_run, config))
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert page.handlers == []
    assert page.tags.count("img") == 17
    assert page.text.count(attack) == 3 * page.tags.count("details")
    assert page.text.count("<b>red</b>") == 5
    assert "<b>part</b>" in page.text


def test_texts_in_any_script_are_isolated_and_odd_ones_break_nothing(run: Run, config: ReportingConfig) -> None:
    run.battles["prompt"] = [["مرحبا \u202eabc", None, "🎉"]] * len(run.battles)
    run.battles["response_a"] = [[]] * len(run.battles)
    run.battles["response_b"] = [[None, "\ud83d\x00"]] * len(run.battles)
    html = write(run, config)
    html.encode("utf-8")
    page = Page(html)
    assert "مرحبا" in page.text
    assert "🎉" in page.text
    assert "No turns." in page.text
    assert "\x00" not in html
    assert 'class="text" dir="auto"' in html


def test_the_same_run_writes_the_same_page(full_run: Run, config: ReportingConfig) -> None:
    assert write(full_run, config) == write(full_run, config)


def test_numbers_in_tables_have_four_digits_and_commas() -> None:
    html = to_html(pd.DataFrame({"log_loss": [1.23456], "battles": [12345]}), "Scores")
    assert re.findall(r"<t[hd] >(.*?)</t[hd]>", html) == ["log loss", "battles", "1.2346", "12,345"]
    assert "<caption>Scores</caption>" in html
