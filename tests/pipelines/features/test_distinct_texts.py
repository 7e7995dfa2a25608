"""Each distinct text is measured once: what else is in a table changes no bit of a battle's features."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arena_preference.battles import ID
from arena_preference.pipelines.features.config import (
    CharLsaConfig,
    RelevanceConfig,
    TextFeatureConfig,
    WordTfidfConfig,
)
from arena_preference.pipelines.features.consensus import compute_consensus_features
from arena_preference.pipelines.features.lsa import compute_lsa_features, fit_char_lsa
from arena_preference.pipelines.features.relevance import compute_relevance_features, fit_relevance_model
from arena_preference.pipelines.features.text_statistics import compute_text_features
from arena_preference.pipelines.features.texts import read_turns
from arena_preference.pipelines.features.tfidf import fit_word_tfidf

from .conftest import SNIPPETS, Turns, laws, make_battles, tables

Compute = Callable[[pd.DataFrame], pd.DataFrame]

WORDS = {"ngram_range": (1, 2), "min_df": 1, "max_features": 500, "max_fit_texts": 500}
LSA = {**WORDS, "n_components": 5, "n_iter": 3}
FEATURES = ("text", "lsa", "relevance", "consensus")


@pytest.fixture(scope="module")
def functions() -> dict[str, Compute]:
    rng = np.random.default_rng(0)

    def write() -> Turns:
        return [" ".join(rng.choice(SNIPPETS, 6)), " ".join(rng.choice(SNIPPETS, 6))]

    train = make_battles([(write(), write(), write()) for _ in range(40)])
    char_lsa = fit_char_lsa(train, CharLsaConfig(**{**LSA, "ngram_range": (2, 4), "max_df": 1.0}), seed=0)
    word_tfidf = fit_word_tfidf(train, WordTfidfConfig(**WORDS), seed=0)
    prompt_lsa, regression = fit_relevance_model(train, word_tfidf, RelevanceConfig(**LSA, alpha=1.0), seed=0)
    text = TextFeatureConfig(chunk_rows=100, compressed_characters=5000)
    return {
        "text": lambda battles: compute_text_features(battles, text),
        "lsa": lambda battles: compute_lsa_features(battles, char_lsa),
        "relevance": lambda battles: compute_relevance_features(battles, prompt_lsa, word_tfidf, regression),
        "consensus": lambda battles: compute_consensus_features(battles, word_tfidf),
    }


def to_bytes(row: pd.Series) -> list[bytes]:
    return [np.asarray(value).tobytes() for value in row.drop(ID)]


@pytest.mark.parametrize("name", FEATURES)
@laws
@given(rows=tables, order=st.lists(st.integers(0, 4), min_size=1, max_size=8))
@example([(["the", "word"], ["STOP", None], []), (["the"], ["STOP"], ["el perro 42."])], [0, 1, 0, 0])
def test_a_battle_in_a_table_that_repeats_its_texts_is_measured_as_if_it_were_alone(functions, name, rows, order):
    prompts, *sides = zip(*rows, strict=True)
    responses = [*sides[0], *sides[1]]
    # Every prompt with every pair of neighbours, and some battles several times.
    pairs = [(prompt, *responses[start : start + 2]) for prompt in prompts for start in range(len(responses) - 1)]
    battles = make_battles([*pairs, *(rows[index % len(rows)] for index in order)])
    # Battles of one prompt group are compared with each other.
    battles = battles.assign(prompt_group=battles[ID])
    together = functions[name](battles)
    for row in range(len(battles)):
        (alone,) = map(to_bytes, functions[name](battles[row : row + 1]).iloc)
        assert to_bytes(together.iloc[row]) == alone


def test_texts_are_told_apart_by_their_turns():
    rows = [(["a", None], ["a", ""], ["a\n\n"]), (["a\n\n"], ["a", None], [])]
    texts = read_turns(make_battles(rows))
    assert [texts.turns[row] for row in texts.rows.ravel()] == [tuple(turns) for row in rows for turns in row]
    assert len(texts.turns) == 4
    assert texts.join(texts.rows[0]) == ["a\n\n"] * 3
