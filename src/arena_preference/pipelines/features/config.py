"""Parameters of the pipeline ``features``, checked by Kedro before a node runs."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt

from .overlaps import MAX_CHUNK_ROWS


def _check_order(ngram_range: tuple[int, int]) -> tuple[int, int]:
    if ngram_range[0] > ngram_range[1]:
        raise ValueError(f"ngram_range {list(ngram_range)} is not ascending: put the shorter length first.")
    return ngram_range


class TextFeatureConfig(BaseModel):
    """Parameters ``features.text``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk_rows: int = Field(ge=1, le=MAX_CHUNK_ROWS)
    """Battles measured at a time; it bounds memory and changes no value."""
    compressed_characters: int = Field(ge=100, le=100_000)
    """The compressor reads at most this many characters of a response."""


class WordTfidfConfig(BaseModel):
    """Parameters ``features.word_tfidf``; the names are those of scikit-learn's ``TfidfVectorizer``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ngram_range: Annotated[tuple[PositiveInt, Annotated[int, Field(le=8)]], AfterValidator(_check_order)]
    """Shortest and longest n-gram, in words (of ``char_lsa`` in characters)."""
    min_df: int = Field(ge=1)
    """An n-gram of the vocabulary occurs in at least this many texts."""
    max_features: int = Field(ge=2)
    """Size of the vocabulary, which keeps the most frequent n-grams."""
    max_fit_texts: int = Field(ge=2)
    """Distinct texts to fit on, sampled at random if there are more."""


class _LsaConfig(WordTfidfConfig):
    n_components: int = Field(ge=1, le=1024)
    """LSA components; fewer if the vocabulary is smaller."""
    n_iter: int = Field(ge=0, le=50)
    """Power iterations of the randomised SVD."""


class CharLsaConfig(_LsaConfig):
    """Parameters ``features.char_lsa``: TF-IDF of character n-grams and truncated SVD."""

    max_df: float = Field(gt=0.0, le=1.0)
    """An n-gram of the vocabulary occurs in at most this fraction of the texts."""


class RelevanceConfig(_LsaConfig):
    """Parameters ``features.relevance``: LSA of prompts and the ridge regression from it to the responses' words."""

    alpha: float = Field(gt=0.0)
    """Penalty on the squared coefficients."""
