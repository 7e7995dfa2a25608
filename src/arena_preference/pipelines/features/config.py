"""Options of the pipeline ``features``, checked by Kedro before a node runs."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .measurement import MAX_CHUNK_ROWS


class TextFeatureConfig(BaseModel):
    """Parameters ``features.text``: how texts are measured.

    Attributes:
        chunk_rows: Battles measured at a time. It bounds memory and changes no value.
        compressed_characters: The compressor reads the first so many characters of an answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk_rows: int = Field(ge=1, le=MAX_CHUNK_ROWS)
    compressed_characters: int = Field(ge=100, le=100_000)


class CharLsaConfig(BaseModel):
    """Parameters ``features.char_lsa``: the TF-IDF of n-grams of characters inside words and its reduction by SVD.

    Attributes:
        ngram_min: Shortest n-gram.
        ngram_max: Longest n-gram.
        min_df: An n-gram of the vocabulary occurs in at least so many texts.
        max_df: An n-gram of the vocabulary occurs in at most this share of the texts.
        max_features: Size of the vocabulary; the most frequent n-grams stay.
        max_fit_texts: The vectorizer is fitted on at most so many distinct texts, drawn at random.
        n_components: Latent dimensions; fewer where the vocabulary is smaller.
        n_iter: Power iterations of the randomised SVD.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ngram_min: int = Field(ge=1)
    ngram_max: int = Field(ge=1, le=8)
    min_df: int = Field(ge=1)
    max_df: float = Field(gt=0.0, le=1.0)
    max_features: int = Field(ge=2)
    max_fit_texts: int = Field(ge=2)
    n_components: int = Field(ge=1, le=1024)
    n_iter: int = Field(ge=0, le=50)

    @model_validator(mode="after")
    def _check_ngrams(self) -> "CharLsaConfig":
        if self.ngram_min > self.ngram_max:
            raise ValueError(
                f"ngram_min {self.ngram_min} is above ngram_max {self.ngram_max}: lower it or raise ngram_max."
            )
        return self


class WordTfidfConfig(BaseModel):
    """Parameters ``features.word_tfidf``: the TF-IDF of words and sequences of words, for the linear model.

    Attributes:
        ngram_max: Longest sequence of words.
        min_df: An entry of the vocabulary occurs in at least so many texts.
        max_features: Size of the vocabulary; the most frequent entries stay.
        max_fit_texts: The vectorizer is fitted on at most so many distinct answers, drawn at random.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ngram_max: int = Field(ge=1, le=5)
    min_df: int = Field(ge=1)
    max_features: int = Field(ge=2)
    max_fit_texts: int = Field(ge=2)


class RelevanceConfig(WordTfidfConfig):
    """Parameters ``features.relevance``: which words a prompt makes one expect, by its own words' TF-IDF and its SVD.

    Attributes:
        ngram_max: Longest sequence of a prompt's words.
        min_df: An entry of the prompts' vocabulary occurs in at least so many prompts.
        max_features: Size of the prompts' vocabulary; the most frequent entries stay.
        max_fit_texts: The vocabulary is learned from at most so many distinct prompts, drawn at random.
        n_components: Latent directions of prompts; fewer where the vocabulary is smaller.
        n_iter: Power iterations of the randomised SVD.
        alpha: Of ridge regression, on the squared coefficients of each word.
    """

    n_components: int = Field(ge=1, le=1024)
    n_iter: int = Field(ge=0, le=50)
    alpha: float = Field(gt=0.0)
