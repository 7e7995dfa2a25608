"""How far an answer agrees with the other answers to the same prompt.

Where several people sent a prompt, or one asked several pairs of chatbots, its other answers are at hand. What most of
them say is right more often than what one says alone: minimum Bayes risk decoding takes the answer that is most like
the others (Kumar and Byrne, 2004), self-consistency the figure that most of them end with (Wang et al., 2023). No
verdict is read, and no answer to another prompt.

The *other answers* of a turn are the distinct texts that answer the same turn, after the same earlier turns of the
prompt, in the battles of the table, without the two answers of the battle itself. A text that comes twice is most often
one answer of one chatbot that was shown twice, and agrees with itself at no merit.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer

from arena_preference.battles import CONSENSUS, TEXT_COLUMNS, FloatArray, normalise_prompt

from .patterns import NUMBER

Places = npt.NDArray[np.int64]

# Battles whose words are held at a time, or one prompt group; it bounds memory and changes no value.
_CHUNK_ROWS: Final = 1000

#: Quantities of an answer between 0 and 1, words weighted by inverse document frequency: the share of the other
#: answers' words that it has, too; the mean share of its words that another answer has; and the share of the other
#: answers whose last number is its own.
CONSENSUS_RATES: Final = (f"{CONSENSUS}coverage", f"{CONSENSUS}support", f"{CONSENSUS}number")


def measure_consensus(battles: pd.DataFrame, word_tfidf: TfidfVectorizer) -> tuple[FloatArray, FloatArray]:
    """Measure how far the answers of each battle agree with the other answers to its prompt.

    Args:
        battles: Schema ``Battles``, in whole prompt groups.
        word_tfidf: Its vocabulary and inverse document frequencies are used.

    Returns:
        ``CONSENSUS_RATES`` of both sides, shape (n, 2, 3), and the number of other answers, shape (n,), each the mean
        over the turns to which there are others; 0 where there are none.
    """
    rates = np.zeros((len(battles), 2, len(CONSENSUS_RATES)))
    others = np.zeros(len(battles))
    for rows in _gather_repeated(battles["prompt_group"]):
        turns = _list_turns(battles.iloc[rows])
        if turns.empty:
            continue
        compared, n_others = _compare_turns(turns, word_tfidf)
        has_others = n_others > 0
        place = turns["battle"].to_numpy()[has_others]
        n_compared = np.bincount(place, minlength=len(rows)).clip(1)
        for side, rate in np.ndindex(compared.shape[1:]):
            rates[rows, side, rate] = np.bincount(place, compared[has_others, side, rate], len(rows)) / n_compared
        others[rows] = np.bincount(place, n_others[has_others], len(rows)) / n_compared
    return rates, others


def _gather_repeated(groups: pd.Series) -> Iterator[Places]:
    """List the rows of prompt groups with more than one battle, in whole groups, about ``_CHUNK_ROWS`` at a time."""
    gathered: list[Places] = []
    for rows in groups.groupby(groups.to_numpy(), sort=False).indices.values():
        if len(rows) > 1:
            gathered.append(rows)
        if sum(map(len, gathered)) >= _CHUNK_ROWS:
            yield np.concatenate(gathered)
            gathered = []
    if gathered:
        yield np.concatenate(gathered)


def _list_turns(battles: pd.DataFrame) -> pd.DataFrame:
    """One row per turn: battle (its place), prompt (a hash of its turns so far), a, b; a null turn counts as empty."""
    turns = []
    for battle, (prompt, *answers) in enumerate(zip(*(battles[name] for name in TEXT_COLUMNS), strict=True)):
        for number, so_far in enumerate(_hash_prefixes(prompt)):
            said = (answer[number] or "" if number < len(answer) else "" for answer in answers)
            turns.append((battle, so_far, *said))
    return pd.DataFrame(turns, columns=["battle", "prompt", "a", "b"])


def _hash_prefixes(prompt: Sequence[str | None]) -> Iterator[str]:
    """Give a hash of the first turn, of the first two, and so on; normalised turns hold no line break."""
    digest = hashlib.blake2b(digest_size=16)
    for turn in prompt:
        digest.update(f"{normalise_prompt(turn)}\n".encode())
        yield digest.hexdigest()


def _compare_turns(turns: pd.DataFrame, word_tfidf: TfidfVectorizer) -> tuple[FloatArray, FloatArray]:
    """Give ``CONSENSUS_RATES`` of both sides of each turn, shape (turns, 2, 3), and how many others answered it."""
    texts = pd.concat([turns[["prompt", side]].set_axis(["prompt", "text"], axis=1) for side in ("a", "b")])
    distinct = texts.drop_duplicates().sort_values(["prompt", "text"])
    known = pd.MultiIndex.from_frame(distinct)
    a, b = (known.get_indexer(pd.MultiIndex.from_frame(turns[["prompt", side]])) for side in ("a", "b"))
    prompt = pd.factorize(distinct["prompt"])[0]
    is_answer = (distinct["text"].str.strip() != "").to_numpy()
    # scikit-learn's inverse document frequency is 1 for a word that every text has. Its float32 leaves room enough for
    # sums in float64 to be exact: what is taken away again below leaves no dust.
    informativeness = word_tfidf.idf_.astype(np.float32).astype(np.float64) - 1
    words = word_tfidf.transform(distinct["text"])
    words.data = np.ones(len(words.data))
    own = words @ informativeness
    both = words[a].multiply(words[b]) @ informativeness
    # How many answers to its prompt have each word of a text, that text among them.
    of_prompt = np.repeat(prompt, np.diff(words.indptr)) * words.shape[1] + words.indices
    _, places, users = np.unique(of_prompt, return_inverse=True, return_counts=True)
    words.data = users[places].astype(np.float64)
    shared = words @ informativeness
    said = np.bincount(prompt, own)[prompt]
    answers = np.bincount(prompt, is_answer)[prompt]
    numbers = pl.Series(distinct["text"]).str.extract_all(NUMBER).list.last().to_pandas()
    same_number = numbers.groupby([prompt, numbers]).transform("size").fillna(0).to_numpy()

    differ = a != b
    n_others = answers[a] - is_answer[a] - (is_answer[b] & differ)
    compared = np.zeros((len(turns), 2, len(CONSENSUS_RATES)))
    for side, (this, opposite) in enumerate(((a, b), (b, a))):
        with_others = shared[this] - own[this] - both * differ
        of_others = said[this] - own[this] - own[opposite] * differ
        has_number = numbers.notna().to_numpy()[this]
        is_shared = has_number & differ & (numbers[this].to_numpy() == numbers[opposite].to_numpy())
        parts = (with_others, with_others, same_number[this] - has_number - is_shared)
        wholes = (of_others, n_others * own[this], n_others)
        for rate, (part, whole) in enumerate(zip(parts, wholes, strict=True)):
            np.divide(part, whole, out=compared[:, side, rate], where=whole > 0)
    return compared, n_others
