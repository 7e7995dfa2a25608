"""Battles for the features: made by hand, and drawn by hypothesis."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from arena_preference.battles import ID, prompt_group
from arena_preference.pipelines.features.text_statistics import Quantities, measure_quantities
from arena_preference.pipelines.features.texts import read_turns

Turns = list[str | None]

# Text that the patterns match, so that random texts contain some.
SNIPPETS = (
    "I'm sorry, but I cannot help with that.", "As an AI language model", "# Title\n", "\n\n- item", "\n1. first",
    "**bold**", "```python\nprint(1)\n```", "```", "`x`", "$x^2$", "\n| a | b |", "https://a.b", "3.14", "42", "the",
    "el perro", "и слово", "漢字", "🙂", "?", "!", "...", ", ", " ", "\n", "\n\n", "\t", "\x00", "�", "İ", "ǅ",
    "e\u0301", "STOP", "word word word word",
)  # fmt: skip
texts = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=12), max_size=6).map("".join)
turns = st.lists(st.none() | texts, max_size=3)
tables = st.lists(st.tuples(turns, turns, turns), min_size=1, max_size=5)
laws = settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])


def make_battles(rows: list[tuple[Turns, Turns, Turns]], first_id: int = 0) -> pd.DataFrame:
    """Make battles of a prompt and two responses each, with ids in steps of 3."""
    table = pd.DataFrame({ID: [f"{number * 3 + first_id:03d}" for number in range(len(rows))]})
    for index, name in enumerate(("prompt", "response_a", "response_b")):
        table[name] = pd.Series([row[index] for row in rows], dtype=object)
    return table.assign(prompt_group=[prompt_group(prompt) for prompt, _, _ in rows])


def measure(rows: list[tuple[Turns, Turns, Turns]]) -> Quantities:
    """Measure the quantities of some battles."""
    return measure_quantities(read_turns(make_battles(rows)), compressed_characters=5000)


def measure_response(response: Turns | str, prompt: str = "Say something.") -> dict[str, float]:
    """Measure the quantities of one response."""
    turns = [response] if isinstance(response, str) else response
    return {name: values[0] for name, values in measure([([prompt], turns, [])]).a.items()}


@pytest.fixture(scope="session")
def topics() -> pd.DataFrame:
    """30 battles on two topics without a common word; response a is on the prompt's topic and response b is not."""
    rng = np.random.default_rng(1)
    words = (["tea", "cup", "leaf", "hot", "water"], ["code", "loop", "array", "bug", "type"])

    def write(topic: int) -> Turns:
        return [" ".join(rng.choice(words[topic], 8))]

    return make_battles([(write(k % 2), write(k % 2), write((k + 1) % 2)) for k in range(30)])
