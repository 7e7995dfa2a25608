"""How far an answer agrees with the other answers to the same prompt.

Where several people sent a prompt, or one asked several pairs of chatbots, its other answers are at hand. What most of
them say is right more often than what one says alone: minimum Bayes risk decoding takes the answer that is most like
the others (Kumar and Byrne, 2004), self-consistency the figure that most of them end with (Wang et al., 2023). No
verdict is read, and no answer to another prompt.

The *other answers* of a turn are the distinct texts that answer the same turn, after the same earlier turns of the
prompt, in the battles of the table, without the two answers of the battle itself.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy import sparse
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


def measure_consensus(battles: pd.DataFrame, word_vectorizer: TfidfVectorizer) -> tuple[FloatArray, FloatArray]:
    """Measure how far the answers of each battle agree with the other answers to its prompt.

    Args:
        battles: Schema ``Battles``, in whole prompt groups.
        word_vectorizer: Its vocabulary is looked for.

    Returns:
        ``CONSENSUS_RATES`` of both sides, shape (n, 2, 3), and the number of other answers, shape (n,), each the mean
        over the turns to which there are others; 0 where there are none.
    """
    rates = np.zeros((len(battles), 2, len(CONSENSUS_RATES)))
    others = np.zeros(len(battles))
    for rows in _gather_repeated(battles["prompt_group"]):
        turns = _list_turns(battles.iloc[rows])
        compared, n_others = _compare_turns(turns, word_vectorizer)
        turns, compared, n_others = turns[n_others > 0], compared[n_others > 0], n_others[n_others > 0]
        place = turns["battle"].to_numpy()
        n_turns = np.bincount(place, minlength=len(rows)).clip(1)
        for side, rate in np.ndindex(compared.shape[1:]):
            rates[rows, side, rate] = np.bincount(place, compared[:, side, rate], len(rows)) / n_turns
        others[rows] = np.bincount(place, n_others, len(rows)) / n_turns
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
    """One row per turn: battle (its place), prompt (its turns so far, normalised), a, b; a null turn is empty."""
    turns = []
    for battle, (prompt, *answers) in enumerate(zip(*(battles[name] for name in TEXT_COLUMNS), strict=True)):
        asked = accumulate(map(normalise_prompt, prompt), "{}\n{}".format)
        for number, so_far in enumerate(asked):
            said = (answer[number] or "" if number < len(answer) else "" for answer in answers)
            turns.append((battle, so_far, *said))
    return pd.DataFrame(turns, columns=["battle", "prompt", "a", "b"])


def _compare_turns(turns: pd.DataFrame, word_vectorizer: TfidfVectorizer) -> tuple[FloatArray, FloatArray]:
    """Give ``CONSENSUS_RATES`` of both sides of each turn, shape (turns, 2, 3), and how many others answered it."""
    texts = pd.concat([turns[["prompt", side]].set_axis(["prompt", "text"], axis=1) for side in ("a", "b")])
    distinct = texts.drop_duplicates().sort_values(["prompt", "text"])
    known = pd.MultiIndex.from_frame(distinct)
    a, b = (known.get_indexer(pd.MultiIndex.from_frame(turns[["prompt", side]])) for side in ("a", "b"))
    prompt = pd.factorize(distinct["prompt"])[0]
    # scikit-learn's inverse document frequency is 1 for a word that every text has.
    informativeness = word_vectorizer.idf_.astype(np.float64) - 1
    words = word_vectorizer.transform(distinct["text"])
    words.data = np.ones_like(words.data, dtype=np.float64)
    own = words @ informativeness
    # How many answers to its prompt have each word of a text, that text among them.
    users = sparse.csr_matrix((np.ones(len(prompt)), (prompt, np.arange(len(prompt))))) @ words
    users.sort_indices()
    used = words.copy()
    used.data = np.asarray(users[np.repeat(prompt, np.diff(words.indptr)), words.indices], dtype=float).ravel()
    shared = used @ informativeness
    both = words[a].multiply(words[b]) @ informativeness
    said = np.bincount(prompt, own)[prompt]
    answers = np.bincount(prompt)[prompt]
    numbers = pl.Series(distinct["text"]).str.extract_all(NUMBER).list.last().to_pandas()
    same_number = numbers.groupby([prompt, numbers]).transform("size").to_numpy()

    differ = a != b
    n_others = (answers[a] - 1 - differ).astype(float)
    compared = np.zeros((len(turns), 2, len(CONSENSUS_RATES)))
    for side, (this, opposite) in enumerate(((a, b), (b, a))):
        with_others = shared[this] - own[this] - both * differ
        of_others = said[this] - own[this] - own[opposite] * differ
        same = same_number[this] - 1 - (differ & (numbers[this].to_numpy() == numbers[opposite].to_numpy()))
        for rate, (part, whole) in enumerate(
            ((with_others, of_others), (with_others, n_others * own[this]), (same, n_others))
        ):
            np.divide(part, whole, out=compared[:, side, rate], where=whole > 0)
    return np.nan_to_num(compared).clip(0.0, 1.0), n_others
