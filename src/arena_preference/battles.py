"""The vocabulary of the project as code: columns, labels, schemas, swap and prompt group.

A *battle* is one prompt and the answers of two sides, a and b. Its *label* says which side a person preferred. Every
other room speaks of battles in the terms of this module, and this module knows no other room.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa

FloatArray = npt.NDArray[np.floating[Any]]

ID: Final = "id"
TEXT_COLUMNS: Final = ("prompt", "response_a", "response_b")
MODEL_COLUMNS: Final = ("model_a", "model_b")
LABEL_COLUMNS: Final = ("winner_model_a", "winner_model_b", "winner_tie")

PREFERS_A: Final = 0
PREFERS_B: Final = 1
TIE: Final = 2
N_CLASSES: Final = 3

# A feature is named <quantity>__<form>. The form alone says what a swap of the sides does to it.
FORM_SEPARATOR: Final = "__"
ANTISYMMETRIC_FORMS: Final = frozenset({"diff", "share"})
SYMMETRIC_FORMS: Final = frozenset({"sum", "pair", "prompt"})
#: How the features begin that look at other battles of the same prompt; all of them are 0 where there is none.
CONSENSUS: Final = "consensus_"

# Columns of what CatBoost says when it is asked once: in the order of the file, and with the sides exchanged. The
# answer to the second question is exchanged back, so that its columns mean the sides of the file, too.
IN_ORDER: Final = "catboost_in_order_"
SWAPPED: Final = "catboost_swapped_"


def normalise_prompt(first_turn: str | None) -> str:
    """Reduce a first prompt turn to what two people would call the same prompt: lower case, single spaces."""
    return " ".join((first_turn or "").lower().split())


def prompt_group(turns: Sequence[str | None]) -> str:
    """Name the group of battles that share their normalised first prompt turn; folds never split a group.

    Args:
        turns: The prompt's turns; a null turn counts as empty, and so does a prompt without turns.

    Returns:
        16 hexadecimal digits, the same on every machine.
    """
    first = turns[0] if len(turns) else None
    return hashlib.blake2b(normalise_prompt(first).encode("utf-8"), digest_size=8).hexdigest()


def count_characters(turns: Sequence[str | None]) -> int:
    """Count the characters of all turns; a null turn has none."""
    return sum(len(turn or "") for turn in turns)


def length_features(characters: npt.NDArray[Any]) -> FloatArray:
    """Give what the length-only model goes by.

    Args:
        characters: Characters of both answers, shape (n, 2).

    Returns:
        The difference of their log lengths and its absolute value, shape (n, 2).
    """
    a, b = np.log1p(characters.astype(float)).T
    return np.column_stack([a - b, np.abs(a - b)])


def is_antisymmetric(feature: str) -> bool:
    """Tell whether a swap of the sides negates the feature (True) or leaves it unchanged (False).

    Raises:
        ValueError: If the name does not end in a known form.
    """
    quantity, _, form = feature.rpartition(FORM_SEPARATOR)
    if quantity and form in ANTISYMMETRIC_FORMS:
        return True
    if quantity and form in SYMMETRIC_FORMS:
        return False
    raise ValueError(
        f"Feature '{feature}' does not say what a swap does to it. End its name in {FORM_SEPARATOR}<form>, "
        f"with a form out of {sorted(ANTISYMMETRIC_FORMS | SYMMETRIC_FORMS)}."
    )


def swap_features(features: pd.DataFrame) -> pd.DataFrame:
    """Give the features that the same battles have with their sides exchanged.

    Antisymmetric columns are negated, symmetric ones stay. The result is exact: no text is read again.
    """
    signs = np.array([-1.0 if is_antisymmetric(name) else 1.0 for name in features.columns], dtype=np.float32)
    return features * signs


def swap_labels(labels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.integer[Any]]:
    """Exchange A and B; a tie stays a tie. Shape (n,), values 0, 1, 2."""
    return np.array([PREFERS_B, PREFERS_A, TIE], dtype=labels.dtype)[labels]


def swap_probabilities(probabilities: FloatArray) -> FloatArray:
    """Exchange the columns of A and B. Works on logits as well. Shape (n, 3)."""
    return probabilities[:, [PREFERS_B, PREFERS_A, TIE]]


def swap_battles(battles: pd.DataFrame) -> pd.DataFrame:
    """Give the same battles with their sides exchanged: answers, model names and label."""
    exchanged = {"response_a": "response_b", "response_b": "response_a", "model_a": "model_b", "model_b": "model_a"}
    swapped = battles.rename(columns=exchanged)[list(battles.columns)]
    if "label" in swapped:
        swapped["label"] = swap_labels(swapped["label"].to_numpy())
    return swapped


def _is_text_list(turns: pd.Series) -> pd.Series:
    return turns.map(lambda value: isinstance(value, (list, np.ndarray)))


def _probability_columns(prefix: str = "") -> dict[str, pa.Column]:
    return {f"{prefix}{name}": pa.Column(float, pa.Check.in_range(0.0, 1.0), coerce=True) for name in LABEL_COLUMNS}


def _is_distribution(table: pd.DataFrame) -> pd.Series:
    return (table[list(LABEL_COLUMNS)].sum(axis=1) - 1.0).abs() <= 1e-6


def _features_end_in_a_form(table: pd.DataFrame) -> bool:
    for name in table.columns.drop(ID, errors="ignore"):
        is_antisymmetric(str(name))
    return True


_ID_COLUMN = pa.Column("int64", unique=True, coerce=True)
_TURNS_COLUMN = pa.Column(object, pa.Check(_is_text_list, error="each cell is a list of turns"))
_IS_LABEL = pa.Check.isin([PREFERS_A, PREFERS_B, TIE])

#: One row per battle: id, three lists of turns (a null turn is None), prompt group; on train also the label.
Battles: Final = pa.DataFrameSchema(
    {
        ID: _ID_COLUMN,
        **dict.fromkeys(TEXT_COLUMNS, _TURNS_COLUMN),
        "prompt_group": pa.Column(str),
        "label": pa.Column("int8", _IS_LABEL, required=False, coerce=True),
        **{name: pa.Column(str, nullable=True, required=False) for name in MODEL_COLUMNS},
    },
    strict=True,
    name="Battles",
)

#: Raw rows that could not be used as they are: the id as written, the reason, and the row as JSON.
RejectedRows: Final = pa.DataFrameSchema(
    {"id": pa.Column(str, nullable=True), "reason": pa.Column(str), "raw_row": pa.Column(str)},
    strict=True,
    name="RejectedRows",
)

#: Float32 features named <quantity>__<form>, one row per battle; none of them where their source is switched off.
Features: Final = pa.DataFrameSchema(
    {ID: _ID_COLUMN, rf".+{FORM_SEPARATOR}.+": pa.Column("float32", nullable=True, regex=True, required=False)},
    checks=pa.Check(_features_end_in_a_form),
    strict=True,
    name="Features",
)

#: What each battle's answers differ by in words: ``words`` are places in a vocabulary of so many entries, and for each
#: of them ``weights`` has a number that is not zero. One row per battle.
WordDifferences: Final = pa.DataFrameSchema(
    {
        ID: _ID_COLUMN,
        "vocabulary": pa.Column("int32", pa.Check.ge(1)),
        "words": pa.Column(object),
        "weights": pa.Column(object),
    },
    strict=True,
    name="WordDifferences",
)

#: Float32 logits of each class, one row per battle; none of them where their source is switched off.
Logits: Final = pa.DataFrameSchema(
    {ID: _ID_COLUMN, **{name: pa.Column("float32", required=False) for name in LABEL_COLUMNS}},
    strict=True,
    name="Logits",
)

#: The fold of each training battle; a prompt group lies in one fold.
Folds: Final = pa.DataFrameSchema(
    {ID: _ID_COLUMN, "fold": pa.Column("int8", pa.Check.ge(0), coerce=True)},
    strict=True,
    name="Folds",
)

#: Predictions of models that have not seen the battle, with what is needed to score them.
OutOfFoldPredictions: Final = pa.DataFrameSchema(
    {
        ID: _ID_COLUMN,
        "prompt_group": pa.Column(str),
        "fold": pa.Column("int8", pa.Check.ge(0), coerce=True),
        "label": pa.Column("int8", _IS_LABEL, coerce=True),
        **_probability_columns(),
        **_probability_columns("prior_"),
        **_probability_columns("length_"),
    },
    checks=pa.Check(_is_distribution, error="the three probabilities of each row sum to 1"),
    strict=True,
    name="OutOfFoldPredictions",
)

#: Calibrated probabilities for the test split.
Predictions: Final = pa.DataFrameSchema(
    {ID: _ID_COLUMN, **_probability_columns()},
    checks=pa.Check(_is_distribution, error="the three probabilities of each row sum to 1"),
    strict=True,
    ordered=True,
    name="Predictions",
)
