"""Options of the pipeline ``features``, checked by Kedro before a node runs."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .measurement import MAX_CHUNK_ROWS


class TextFeatureOptions(BaseModel):
    """Parameters ``features.text``: how texts are measured.

    Attributes:
        chunk_rows: Battles measured at a time. It bounds memory and changes no value.
        compressed_characters: The compressor reads the first so many characters of an answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk_rows: int = Field(ge=1, le=MAX_CHUNK_ROWS)
    compressed_characters: int = Field(ge=100, le=100_000)


class TextVectorizerOptions(BaseModel):
    """Parameters ``features.vectorizer``: the TF-IDF of n-grams of characters inside words and its reduction by SVD.

    Attributes:
        ngram_min: Shortest n-gram.
        ngram_max: Longest n-gram.
        min_texts: An n-gram of the vocabulary occurs in at least so many texts.
        max_text_share: An n-gram of the vocabulary occurs in at most this share of the texts.
        max_ngrams: Size of the vocabulary; the most frequent n-grams stay.
        max_fit_texts: The vectorizer is fitted on at most so many distinct texts, drawn at random.
        components: Latent dimensions; fewer where the vocabulary is smaller.
        power_iterations: Power iterations of the randomised SVD.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ngram_min: int = Field(ge=1)
    ngram_max: int = Field(ge=1, le=8)
    min_texts: int = Field(ge=1)
    max_text_share: float = Field(gt=0.0, le=1.0)
    max_ngrams: int = Field(ge=2)
    max_fit_texts: int = Field(ge=2)
    components: int = Field(ge=1, le=1024)
    power_iterations: int = Field(ge=0, le=50)

    @model_validator(mode="after")
    def _check_ngrams(self) -> "TextVectorizerOptions":
        if self.ngram_min > self.ngram_max:
            raise ValueError(
                f"ngram_min {self.ngram_min} is above ngram_max {self.ngram_max}: lower it or raise ngram_max."
            )
        return self


class WordVectorizerOptions(BaseModel):
    """Parameters ``features.words``: the TF-IDF of words and sequences of words, for the linear model.

    Attributes:
        ngram_max: Longest sequence of words.
        min_texts: An entry of the vocabulary occurs in at least so many texts.
        max_ngrams: Size of the vocabulary; the most frequent entries stay.
        max_fit_texts: The vectorizer is fitted on at most so many distinct answers, drawn at random.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ngram_max: int = Field(ge=1, le=5)
    min_texts: int = Field(ge=1)
    max_ngrams: int = Field(ge=2)
    max_fit_texts: int = Field(ge=2)


class RelevanceOptions(WordVectorizerOptions):
    """Parameters ``features.relevance``: which words a prompt makes one expect, by its own words' TF-IDF and its SVD.

    Attributes:
        ngram_max: Longest sequence of a prompt's words.
        min_texts: An entry of the prompts' vocabulary occurs in at least so many prompts.
        max_ngrams: Size of the prompts' vocabulary; the most frequent entries stay.
        max_fit_texts: The vocabulary is learned from at most so many distinct prompts, drawn at random.
        components: Latent directions of prompts; fewer where the vocabulary is smaller.
        power_iterations: Power iterations of the randomised SVD.
        penalty: Of ridge regression, on the squared coefficients of each word.
    """

    components: int = Field(ge=1, le=1024)
    power_iterations: int = Field(ge=0, le=50)
    penalty: float = Field(gt=0.0)
