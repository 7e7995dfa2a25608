"""Consensus: agreement of a response with the other responses to the same prompt.

What most responses to a prompt say is right more often than what one says alone: minimum Bayes risk decoding selects
the response most like the others (Kumar and Byrne, 2004), self-consistency the number that most of them end with (Wang
et al., 2023). No label is read, and no response to another prompt.

The *other responses* of a turn are the distinct texts that respond to the same turn, after the same earlier turns of
the prompt, in the battles of the table, except for the two responses of the battle itself. Duplicates count once: most
often they are one response that was shown twice.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pandas as pd
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer

from arena_preference.battles import CONSENSUS, TEXT_COLUMNS, FloatArray, normalise_prompt

from .contrasts import Columns, contrast_sides, name_feature, tabulate
from .patterns import NUMBER
from .texts import SIDES, IntArray, iter_group_chunks

# Ratios of a response, its words weighted by inverse document frequency: the fraction of the other responses' words
# that it has; the mean fraction of its words that another response has; the fraction of the other responses whose last
# number is its own.
_RATIOS: Final = ("coverage", "support", "number")


def compute_consensus_features(
    battles: pd.DataFrame, word_tfidf: TfidfVectorizer, *, chunk_rows: int = 1000
) -> pd.DataFrame:
    """Compare the agreement of both responses with the other responses to their prompt.

    ``battles`` are whole prompt groups. About ``chunk_rows`` of them are processed at a time, which bounds memory and
    changes no value.

    Returns:
        Schema ``Features``, in the order of ``battles``: differences and sums of coverage, support and number, and the
        number of other responses, each a mean over the turns that have any; 0 if none has.
    """
    columns = [*(f"{name}_{side}" for side in SIDES for name in _RATIOS), "others"]
    means = np.zeros((len(battles), len(columns)))
    for chunk in iter_group_chunks(_list_groups(battles["prompt_group"]), chunk_rows):
        rows = np.concatenate(chunk)
        turns = _list_turns(battles.iloc[rows])
        if turns.empty:
            continue
        agreement = _measure_agreement(turns, word_tfidf)
        has_others = agreement["others"] > 0
        of_battles = agreement[has_others].groupby(turns["battle"][has_others]).mean()
        means[rows[of_battles.index]] = of_battles[columns].to_numpy()
    features: Columns = {}
    *ratios, others = means.T
    for name, a, b in zip(_RATIOS, ratios[: len(_RATIOS)], ratios[len(_RATIOS) :], strict=True):
        features |= contrast_sides(f"{CONSENSUS}{name}", a, b, "diff", "sum")
    return tabulate(battles, {**features, name_feature(f"{CONSENSUS}responses", "pair"): others})


def _list_groups(prompt_groups: pd.Series) -> list[IntArray]:
    """Return the rows of each prompt group with more than one battle."""
    rows = np.flatnonzero(prompt_groups.duplicated(keep=False))
    # A group-by takes its time even if there is nothing to group.
    if not len(rows):
        return []
    names = prompt_groups.iloc[rows]
    return [rows[indices] for indices in names.groupby(names.to_numpy(), sort=False).indices.values()]


def _list_turns(battles: pd.DataFrame) -> pd.DataFrame:
    """Return one row per turn: battle (its row), prompt (a hash of group and turns), a, b (null turns as empty)."""
    turns = []
    columns = (battles[name] for name in ("prompt_group", *TEXT_COLUMNS))
    for battle, (group, prompt, *responses) in enumerate(zip(*columns, strict=True)):
        for index, prefix in enumerate(_hash_prefixes(group, prompt)):
            texts = (response[index] or "" if index < len(response) else "" for response in responses)
            turns.append((battle, prefix, *texts))
    return pd.DataFrame(turns, columns=["battle", "prompt", *SIDES])


def _hash_prefixes(group: str, prompt: Sequence[str | None]) -> Iterator[str]:
    """Iterate over hashes of the first turn, of the first two, and so on; normalised turns have no line break."""
    digest = hashlib.blake2b(f"{group}\n".encode(), digest_size=16)
    for turn in prompt:
        digest.update(f"{normalise_prompt(turn)}\n".encode())
        yield digest.hexdigest()


def _measure_agreement(turns: pd.DataFrame, word_tfidf: TfidfVectorizer) -> pd.DataFrame:
    """Return the columns <ratio>_a, <ratio>_b and others (their number), one row per turn."""
    pairs = pd.concat([turns[["prompt", side]].set_axis(["prompt", "text"], axis=1) for side in SIDES])
    a, b = np.split(pairs.groupby(["prompt", "text"]).ngroup().to_numpy(), 2)
    texts = pairs.drop_duplicates().sort_values(["prompt", "text"], ignore_index=True)
    # 0 for a word of every text. Sums of float32 values are exact in float64, so that the differences below are, too.
    idf = word_tfidf.idf_.astype(np.float32).astype(np.float64) - 1
    words = word_tfidf.transform(texts["text"])
    words.data = np.ones(len(words.data))
    common_idf = words[a].multiply(words[b]) @ idf

    prompt = texts["prompt"]
    texts["is_response"] = texts["text"].str.strip() != ""
    texts["responses"] = texts["is_response"].groupby(prompt).transform("sum")
    texts["idf"] = words @ idf
    texts["prompt_idf"] = texts["idf"].groupby(prompt).transform("sum")
    row, word = words.nonzero()
    # Of each word of a text, the number of texts with the same prompt that have it, itself included.
    words.data = pd.Series(word).groupby([pd.factorize(prompt)[0][row], word]).transform("size").to_numpy(np.float64)
    texts["matched_idf"] = words @ idf
    texts["number"] = pl.Series(texts["text"]).str.extract_all(NUMBER).list.last().to_pandas()
    texts["same_number"] = texts["number"].groupby([prompt, texts["number"]]).transform("size").fillna(0)
    of_a, of_b = (texts.iloc[index].reset_index(drop=True) for index in (a, b))
    others = of_a["responses"] - of_a["is_response"] - (of_b["is_response"] & (a != b))
    ratios_a = _rate_side(of_a, of_b, others, common_idf).add_suffix("_a")
    ratios_b = _rate_side(of_b, of_a, others, common_idf).add_suffix("_b")
    return pd.concat([ratios_a, ratios_b, others.rename("others")], axis=1)


def _rate_side(this: pd.DataFrame, opponent: pd.DataFrame, others: pd.Series, common_idf: FloatArray) -> pd.DataFrame:
    """Return the ratios of one side of each turn: totals over the prompt, less its own part and the opponent's."""
    differs = this["text"] != opponent["text"]
    matched_idf = this["matched_idf"] - this["idf"] - common_idf * differs
    others_idf = this["prompt_idf"] - this["idf"] - opponent["idf"] * differs
    same_number = this["same_number"] - this["number"].notna() - (differs & (this["number"] == opponent["number"]))
    return pd.DataFrame(
        {
            "coverage": _divide(matched_idf, others_idf),
            "support": _divide(matched_idf, others * this["idf"]),
            "number": _divide(same_number, others),
        }
    )


def _divide(part: pd.Series, whole: pd.Series) -> FloatArray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
