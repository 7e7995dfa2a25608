"""Parameters of the pipeline ``features``; conf/base/parameters_features.yml explains each of them."""

from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt

from arena_preference.config import Config

from .overlaps import MAX_CHUNK_ROWS


def _check_order(ngram_range: tuple[int, int]) -> tuple[int, int]:
    if ngram_range[0] > ngram_range[1]:
        raise ValueError(f"ngram_range {list(ngram_range)} is not ascending: put the shorter length first.")
    return ngram_range


class TextFeatureConfig(Config):
    """Parameters ``features.text``."""

    chunk_rows: int = Field(ge=1, le=MAX_CHUNK_ROWS)
    compressed_characters: int = Field(ge=100, le=100_000)


class WordTfidfConfig(Config):
    """Parameters ``features.word_tfidf``; the names are those of scikit-learn's ``TfidfVectorizer``."""

    ngram_range: Annotated[tuple[PositiveInt, Annotated[int, Field(le=8)]], AfterValidator(_check_order)]
    min_df: int = Field(ge=1)
    max_features: int = Field(ge=2)
    max_fit_texts: int = Field(ge=2)


class LsaConfig(WordTfidfConfig):
    """Parameters of a TF-IDF and its truncated SVD."""

    n_components: int = Field(ge=1, le=1024)
    n_iter: int = Field(ge=0, le=50)


class CharLsaConfig(LsaConfig):
    """Parameters ``features.char_lsa``: TF-IDF of character n-grams and truncated SVD."""

    max_df: float = Field(gt=0.0, le=1.0)


class RelevanceConfig(LsaConfig):
    """Parameters ``features.relevance``: LSA of prompts and the ridge regression from it to the responses' words."""

    alpha: float = Field(gt=0.0)
