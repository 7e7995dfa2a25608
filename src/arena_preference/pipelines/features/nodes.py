"""Nodes of the pipeline ``features``: what the two texts alone say about a battle."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import Pipeline as TextVectorizer
from sklearn.preprocessing import Normalizer

from arena_preference.battles import CONSENSUS, ID, FloatArray
from arena_preference.symmetry import FORM_SEPARATOR

from .config import CharLsaConfig, RelevanceConfig, TextFeatureConfig, WordTfidfConfig
from .consensus import CONSENSUS_RATES, measure_consensus
from .measurement import UNITS, join_turns, measure_battles, read_turns, split_rows
from .ngrams import count_ngrams, fit_ngram_counter
from .quantities import PAIR_QUANTITIES, PROMPT_QUANTITIES, SIDE_RATES, SIDE_SIZES, SUMMED
from .relevance import RELEVANCE_RATES, RELEVANCE_SIZES, Arrays, fit_expectation, measure_relevance

Columns = dict[str, FloatArray]

# A word may be a single letter or digit, unlike scikit-learn's own.
_WORD: Final = r"(?u)\b\w+\b"
_NGRAMS: Final = "ngrams"
_TFIDF: Final = "tfidf"
_SVD: Final = "svd"
# Battles whose n-grams are held at a time; it bounds memory and changes no value.
_LATENT_ROWS: Final = 4000


def _share(a: FloatArray, b: FloatArray) -> FloatArray:
    total = a + b
    return np.divide(a - b, total, out=np.zeros_like(total), where=total > 0)


# Each form is exact in floating point: exchanging a and b gives the same number, or the same number negated.
_FORMS: Final[Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]]] = {
    "diff": lambda a, b: a - b,
    "share": _share,
    "sum": lambda a, b: a + b,
}
# One form for each quantity: with differences, absolute values and log ratios of sizes besides, models were worse.
_SIZE_FORMS: Final = ("share",)
_RATE_FORMS: Final = ("diff",)


def compute_text_features(battles: pd.DataFrame, options: TextFeatureConfig) -> pd.DataFrame:
    """Describe each battle by how its texts are written and what they share.

    A size x of a side (characters, list items, apologies ...) enters as (x_a - x_b) / (x_a + x_b), the form of
    LMArena's style control (Chiang et al., 2024), with 0 / 0 = 0; some enter as x_a + x_b, too. A rate (words per
    sentence, share of capitals ...) enters as x_a - x_b. Quantities of the pair and of the prompt enter as they are.

    Args:
        battles: One row per battle, schema ``Battles``; null turns, empty lists, answers of unequal length are fine.
        options: Parameters ``features.text``.

    Returns:
        Schema ``Features``: id, then float32 columns ``<quantity>__<form>``, one row per battle in the order given. No
        value is missing. Battles without rows give a table without rows that has every column.

    Raises:
        ValueError: If a text column is missing.
    """
    texts = read_turns(battles)
    chunks = [
        _describe(measure_battles(chunk, options.compressed_characters))
        for chunk in split_rows(texts, options.chunk_rows)
    ]
    return _tabulate(battles, {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]})


def _describe(measured: pl.DataFrame) -> Columns:
    """Turn what was measured on the three texts of each battle into features."""
    prompt = _select_unit(measured, "prompt").select(pl.all().name.prefix("prompt_"))
    sides = [_select_unit(measured, side).hstack(prompt) for side in ("a", "b")]
    features: Columns = {}
    for quantities, forms in ((SIDE_SIZES, _SIZE_FORMS), (SIDE_RATES, _RATE_FORMS)):
        a, b = (_evaluate(quantities, side) for side in sides)
        for name in quantities:
            features |= _contrast(name, a[name], b[name], (*forms, "sum") if name in SUMMED else forms)
    for form, quantities, table in (("pair", PAIR_QUANTITIES, measured), ("prompt", PROMPT_QUANTITIES, prompt)):
        features |= {_name(quantity, form): values for quantity, values in _evaluate(quantities, table).items()}
    return {name: values.astype(np.float32) for name, values in features.items()}


def _select_unit(measured: pl.DataFrame, unit: str) -> pl.DataFrame:
    """Keep the columns of one unit, under names that no longer tell which."""
    suffix = f"_{unit}"
    return measured.select(
        pl.col(name).alias(name.removesuffix(suffix)) for name in measured.columns if name.endswith(suffix)
    )


def _evaluate(quantities: Mapping[str, pl.Expr], table: pl.DataFrame) -> Columns:
    evaluated = table.select(quantity.cast(pl.Float64).alias(name) for name, quantity in quantities.items())
    return {name: evaluated[name].to_numpy() for name in evaluated.columns}


def _contrast(quantity: str, a: FloatArray, b: FloatArray, forms: Iterable[str] = _RATE_FORMS) -> Columns:
    return {_name(quantity, form): _FORMS[form](a, b) for form in forms}


def _name(quantity: str, form: str) -> str:
    return f"{quantity}{FORM_SEPARATOR}{form}"


def _tabulate(battles: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    features = {name: values.astype(np.float32) for name, values in columns.items()}
    return pd.DataFrame({ID: battles[ID].to_numpy(np.int64), **features})


def fit_char_lsa(battles: pd.DataFrame, options: CharLsaConfig, seed: int) -> TextVectorizer:
    """Learn which n-grams occur, how much each tells, and the directions along which texts differ most.

    TF-IDF with logarithmic counts, then truncated SVD: latent semantic analysis (Deerwester et al., 1990).

    Args:
        battles: A sample of the training battles. Every distinct prompt and answer is one text.
        options: Parameters ``features.char_lsa``.
        seed: Draws the texts, where there are more than ``max_fit_texts``, and starts the SVD.

    Returns:
        A scikit-learn pipeline of the fitted steps ``ngrams``, ``tfidf`` and ``svd``, of scikit-learn's and NumPy's
        types alone.

    Raises:
        ValueError: If no n-gram is both frequent and rare enough to enter the vocabulary.
    """
    texts = _draw_texts(battles, UNITS, options.max_fit_texts, seed)
    try:
        counter, counts = fit_ngram_counter(texts, options)
    except ValueError as error:
        raise ValueError(
            f"No vocabulary came out of {len(texts)} distinct texts of {len(battles)} battles: {error} "
            "Lower features.char_lsa.min_df, raise features.char_lsa.max_df, or give more battles."
        ) from error
    tfidf = TfidfTransformer(sublinear_tf=True)
    weights = tfidf.fit_transform(counts)
    components = min(options.n_components, weights.shape[1])
    svd = TruncatedSVD(components, n_iter=options.n_iter, random_state=seed).fit(weights)
    return TextVectorizer([(_NGRAMS, counter), (_TFIDF, tfidf), (_SVD, svd)])


def fit_word_tfidf(battles: pd.DataFrame, options: WordTfidfConfig, seed: int) -> TfidfVectorizer:
    """Learn which words and sequences of words answers have in common, and how much each tells.

    Args:
        battles: A sample of the training battles. Every distinct answer is one text.
        options: Parameters ``features.word_tfidf``.
        seed: Draws the texts, where there are more than ``max_fit_texts``.

    Returns:
        scikit-learn's TF-IDF of words with logarithmic counts, fitted.

    Raises:
        ValueError: If no word occurs in enough texts to enter the vocabulary.
    """
    texts = _draw_texts(battles, UNITS[1:], options.max_fit_texts, seed)
    try:
        return _fit_word_tfidf(texts, options)
    except ValueError as error:
        raise ValueError(
            f"No vocabulary of words came out of {len(texts)} distinct answers: {error} "
            "Lower features.word_tfidf.min_df, or give more battles."
        ) from error


def _fit_word_tfidf(texts: pl.Series, options: WordTfidfConfig) -> TfidfVectorizer:
    vectorizer = TfidfVectorizer(
        ngram_range=(1, options.ngram_max),
        min_df=options.min_df,
        max_features=options.max_features,
        token_pattern=_WORD,
        sublinear_tf=True,
        dtype=np.float32,
    )
    vectorizer.fit(texts)
    # Of Python's own types: skops would make a file of each of NumPy's.
    vectorizer.vocabulary_ = {name: int(column) for name, column in vectorizer.vocabulary_.items()}
    return vectorizer


def compute_tfidf_differences(battles: pd.DataFrame, word_tfidf: TfidfVectorizer) -> pd.DataFrame:
    """Give the TF-IDF weights of answer a minus those of answer b, battle by battle.

    Differences carry what a linear model needs to tell the sides apart; swapping the sides negates them exactly.

    Args:
        battles: One row per battle, schema ``Battles``.
        word_tfidf: As ``fit_word_tfidf`` gives it, with v entries in its vocabulary.

    Returns:
        Schema ``TfidfDifferences``, one row per battle in the order given: the entries that are not zero, by their
        places in a vocabulary of v.
    """
    # scikit-learn refuses to transform no texts at all.
    parts = [sparse.csr_matrix((0, len(word_tfidf.vocabulary_)), dtype=np.float32)]
    for chunk in read_turns(battles).iter_slices(_LATENT_ROWS):
        texts = join_turns(chunk)
        a, b = (word_tfidf.transform(texts[side].to_list()) for side in UNITS[1:])
        parts.append(a - b)
    differences = sparse.vstack(parts, format="csr")
    differences.sort_indices()
    ends = differences.indptr[1:-1]
    return pd.DataFrame(
        {
            ID: battles[ID].to_numpy(np.int64),
            "vocabulary": np.full(len(battles), differences.shape[1], dtype=np.int32),
            "words": pd.Series(np.split(differences.indices.astype(np.int32), ends)[: len(battles)], dtype=object),
            "weights": pd.Series(np.split(differences.data, ends)[: len(battles)], dtype=object),
        }
    )


def fit_prompt_lsa(battles: pd.DataFrame, options: RelevanceConfig, seed: int) -> TextVectorizer:
    """Learn along which directions of words prompts differ most.

    Args:
        battles: A sample of the training battles. Every distinct prompt is one text.
        options: Parameters ``features.relevance``.
        seed: Draws the prompts, where there are more than ``max_fit_texts``, and starts the SVD.

    Returns:
        A scikit-learn pipeline of the fitted steps ``tfidf``, ``svd`` and ``length``, which scales to unit length.

    Raises:
        ValueError: If no word occurs in enough prompts to enter the vocabulary.
    """
    prompts = _draw_texts(battles, UNITS[:1], options.max_fit_texts, seed)
    try:
        tfidf = _fit_word_tfidf(prompts, options)
    except ValueError as error:
        raise ValueError(
            f"No vocabulary of words came out of {len(prompts)} distinct prompts: {error} "
            "Lower features.relevance.min_df, or give more battles."
        ) from error
    weights = tfidf.transform(prompts)
    components = min(options.n_components, weights.shape[1])
    svd = TruncatedSVD(components, n_iter=options.n_iter, random_state=seed).fit(weights)
    return TextVectorizer([(_TFIDF, tfidf), (_SVD, svd), ("length", Normalizer())])


def fit_prompt_word_regression(
    battles: pd.DataFrame,
    prompt_lsa: TextVectorizer,
    word_tfidf: TfidfVectorizer,
    options: RelevanceConfig,
) -> Arrays:
    """Learn which words answers to a prompt use, whoever wins.

    Args:
        battles: A sample of the training battles, of whole prompt groups.
        prompt_lsa: As ``fit_prompt_lsa`` gives it, with d components.
        word_tfidf: As ``fit_word_tfidf`` gives it, with v entries in its vocabulary.
        options: Parameters ``features.relevance``.

    Returns:
        A ridge regression: ``coefficients``, shape (v, d + 1), the last for the constant; ``inverse_gram``, shape
        (d + 1, d + 1), of its penalised Gram matrix; ``shares``, shape (v,), of the answers that have each
        word; ``ids`` of the battles, ascending.
    """
    return fit_expectation(battles, prompt_lsa, word_tfidf, options.alpha)


def compute_relevance_features(
    battles: pd.DataFrame,
    prompt_lsa: TextVectorizer,
    word_tfidf: TfidfVectorizer,
    prompt_word_regression: Arrays,
) -> pd.DataFrame:
    """Compare how much the two answers of each new battle have to do with its prompt.

    Args:
        battles: One row per battle, schema ``Battles``; their ids may be those of training battles.
        prompt_lsa: As ``fit_prompt_lsa`` gives it.
        word_tfidf: As ``fit_word_tfidf`` gives it.
        prompt_word_regression: As ``fit_prompt_word_regression`` gives it.

    Returns:
        Schema ``Features``: id, then a float32 column for each of ``RELEVANCE_SIZES`` and ``RELEVANCE_RATES``, one row
        per battle in the order given.
    """
    measured = measure_relevance(battles, prompt_lsa, word_tfidf, prompt_word_regression, leave_out=False)
    return _compare_relevance(battles, measured)


def compute_left_out_relevance_features(
    battles: pd.DataFrame,
    prompt_lsa: TextVectorizer,
    word_tfidf: TfidfVectorizer,
    prompt_word_regression: Arrays,
) -> pd.DataFrame:
    """Relevance features of training battles, each with its own prompt group left out of the regression.

    Args:
        battles: One row per training battle, schema ``Battles``, in whole prompt groups.
        prompt_lsa: As ``fit_prompt_lsa`` gives it.
        word_tfidf: As ``fit_word_tfidf`` gives it.
        prompt_word_regression: As ``fit_prompt_word_regression`` gives it.

    Returns:
        As ``compute_relevance_features``.
    """
    measured = measure_relevance(battles, prompt_lsa, word_tfidf, prompt_word_regression, leave_out=True)
    return _compare_relevance(battles, measured)


def _compare_relevance(battles: pd.DataFrame, measured: FloatArray) -> pd.DataFrame:
    features: Columns = {}
    for place, name in enumerate((*RELEVANCE_SIZES, *RELEVANCE_RATES)):
        forms = _SIZE_FORMS if name in RELEVANCE_SIZES else _RATE_FORMS
        features |= _contrast(name, measured[:, 0, place], measured[:, 1, place], forms)
    return _tabulate(battles, features)


def compute_consensus_features(battles: pd.DataFrame, word_tfidf: TfidfVectorizer) -> pd.DataFrame:
    """Compare how far the two answers of each battle agree with the other answers to its prompt.

    Args:
        battles: One row per battle, schema ``Battles``, in whole prompt groups.
        word_tfidf: As ``fit_word_tfidf`` gives it.

    Returns:
        Schema ``Features``: id, then float32 columns, one row per battle in the order given: the difference and the sum
        of each of ``CONSENSUS_RATES``, and the number of other answers; 0 where there are none.
    """
    rates, others = measure_consensus(battles, word_tfidf)
    features: Columns = {}
    for place, name in enumerate(CONSENSUS_RATES):
        features |= _contrast(name, rates[:, 0, place], rates[:, 1, place], ("diff", "sum"))
    return _tabulate(battles, {**features, _name(f"{CONSENSUS}answers", "pair"): others})


def _draw_texts(battles: pd.DataFrame, units: Sequence[str], most: int, seed: int) -> pl.Series:
    joined = join_turns(read_turns(battles))
    texts = pl.concat([joined[unit].alias("text") for unit in units]).unique(maintain_order=True)
    if len(texts) > most:
        texts = texts.gather(np.sort(np.random.default_rng(seed).choice(len(texts), most, replace=False)))
    return texts


def compute_lsa_features(battles: pd.DataFrame, char_lsa: TextVectorizer) -> pd.DataFrame:
    """Compare what the texts of each battle are about, in the space of ``char_lsa``.

    Args:
        battles: One row per battle, schema ``Battles``.
        char_lsa: As ``fit_char_lsa`` gives it, with k components.

    Returns:
        Schema ``Features``: id, then float32 columns, one row per battle in the order given: the difference of
        each latent component and of the cosines prompt-a and prompt-b; the cosines and the distance of a and b. The
        cosine with a text of which no n-gram is known is 0.

    Raises:
        ValueError: If a text column is missing.
    """
    chunks = [_compare_latents(join_turns(chunk), char_lsa) for chunk in split_rows(read_turns(battles), _LATENT_ROWS)]
    return _tabulate(battles, {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]})


def _compare_latents(texts: pl.DataFrame, char_lsa: TextVectorizer) -> Columns:
    """Compare the three texts of some battles, as ``join_turns`` gives them."""
    weights = _weigh_ngrams(pl.concat([texts[unit].alias("text") for unit in UNITS]), char_lsa)
    # What TruncatedSVD.transform does, which refuses a table without rows.
    latents = weights @ char_lsa[_SVD].components_.T
    directions = _scale_to_unit_length(latents)
    prompt, a, b = (slice(place * len(texts), (place + 1) * len(texts)) for place in range(len(UNITS)))
    features: Columns = {}
    for component, values in enumerate(latents.T):
        features |= _contrast(f"latent_{component:03d}", values[a], values[b])
    cosines = {
        "tfidf": lambda x, y: np.asarray(weights[x].multiply(weights[y]).sum(axis=1)).ravel(),
        "latent": lambda x, y: (directions[x] * directions[y]).sum(axis=1),
    }
    for space, cosine in cosines.items():
        features |= _contrast(f"{space}_prompt_cosine", cosine(prompt, a), cosine(prompt, b))
        features[_name(f"{space}_cosine", "pair")] = cosine(a, b)
    features[_name("latent_distance", "pair")] = np.sqrt(np.square(latents[a] - latents[b]).sum(axis=1))
    return features


def _weigh_ngrams(texts: pl.Series, char_lsa: TextVectorizer) -> Any:
    """Give the TF-IDF weights, one sparse row of unit length per text."""
    counts = count_ngrams(char_lsa[_NGRAMS], texts)
    return char_lsa[_TFIDF].transform(counts) if len(texts) else counts


def _scale_to_unit_length(latents: FloatArray) -> FloatArray:
    lengths = np.sqrt(np.square(latents).sum(axis=1, keepdims=True))
    return np.divide(latents, lengths, out=np.zeros_like(latents), where=lengths > 0)
