"""Columns, labels and schemas of battles.

A battle is one prompt and the responses of two models, a and b. Its label says which response a person preferred.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa

FloatArray = npt.NDArray[np.floating[Any]]

ID: Final = "id"
SPLITS: Final = ("train", "test")
TEXT_COLUMNS: Final = ("prompt", "response_a", "response_b")
MODEL_COLUMNS: Final = ("model_a", "model_b")
LABEL_COLUMNS: Final = ("winner_model_a", "winner_model_b", "winner_tie")
#: Prefix of the columns with the probabilities of a label: 1 and 0 for one vote, anything else for a soft label.
SOFT_LABEL: Final = "label_"
#: What a battle may have beside texts and label. No prediction reads it; training reads the names of the models alone.
DESCRIPTION_COLUMNS: Final = (*MODEL_COLUMNS, "language", "category", "judge", "session", "timestamp", "tie_kind")

PREFERS_A: Final = 0
PREFERS_B: Final = 1
TIE: Final = 2
N_CLASSES: Final = 3

#: Prefix of the consensus features; all are 0 if the prompt occurs once.
CONSENSUS: Final = "consensus_"

# Prefixes of CatBoost's single-pass predictions, with the responses as in the file and swapped. Those of the swapped
# order are swapped back, so that the columns always refer to the file's A and B.
ORIGINAL_ORDER: Final = "catboost_original_order_"
SWAPPED_ORDER: Final = "catboost_swapped_order_"


# Unicode's category Cf and what it calls default ignorable: joiners, byte order marks, variation selectors, fillers.
_IGNORED: Final = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# After NFKC, which maps the full-width ones and the ellipsis to ASCII.
_FINAL_MARKS: Final = " .!?‽。؟۔।॥։።፧။។"


def normalise_prompt(turn: str | None) -> str:
    """A turn of a prompt in a form in which trivial variants are equal.

    It is in Unicode's NFKC, with folded case and single spaces, without invisible characters and final punctuation. A
    turn of nothing but punctuation keeps it.
    """
    text = turn or ""
    if not text.isascii():
        text = _IGNORED.sub("", text)
    # Folding can leave NFKC: it maps the sharp s to ss, and the second s may combine with the next character.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    spaced = " ".join(folded.split())
    return spaced.rstrip(_FINAL_MARKS) or spaced


def prompt_group(turns: Sequence[str | None]) -> str:
    """Name of the group of battles with the same normalised first prompt turn; folds never split a group.

    A null turn counts as empty, and so does a prompt without turns. The name has 16 hexadecimal digits and is the same
    on every machine.
    """
    first = turns[0] if len(turns) else None
    return hashlib.blake2b(normalise_prompt(first).encode("utf-8"), digest_size=8).hexdigest()


def count_characters(turns: Sequence[str | None]) -> int:
    """Number of characters of all turns; a null turn has none."""
    return sum(len(turn or "") for turn in turns)


def length_features(characters: npt.NDArray[Any]) -> FloatArray:
    """Features of the length baseline from the numbers of characters of both responses, both of shape (n, 2).

    They are the difference of the log lengths and its absolute value.
    """
    a, b = np.log1p(characters.astype(float)).T
    return np.column_stack([a - b, np.abs(a - b)])


def align_rows(table: pd.DataFrame, ids: pd.Series, name: str) -> pd.DataFrame:
    """The rows of a table in the order of some ids.

    Raises:
        ValueError: If the table, which the message calls ``name``, does not describe exactly these battles.
    """
    # Most tables are in this order, and to look up ids takes longer than to predict one battle.
    if table.columns[0] == ID and np.array_equal(table[ID].to_numpy(object), ids.to_numpy(object)):
        return table.reset_index(drop=True)
    missing = ~ids.isin(table[ID])
    if missing.any() or len(table) != len(ids):
        raise ValueError(
            f"{name} describes other battles: {len(table)} rows for {len(ids)} ids, {missing.sum()} of them not found, "
            "so it comes from another run. Run the stage that makes it again, or take all inputs from one run with "
            "--params=from_run=RUN."
        )
    return table.set_index(ID).loc[ids].reset_index()


def has_values(table: pd.DataFrame) -> bool:
    """True if a table has columns beside the id; the tables of a stage that is switched off have none."""
    return len(table.columns) > 1


def _is_text_list(turns: pd.Series) -> pd.Series:
    return turns.map(lambda value: isinstance(value, (list, np.ndarray)))


def _probability_columns(prefix: str = "", *, required: bool = True, nullable: bool = False) -> dict[str, pa.Column]:
    in_range = pa.Check.in_range(0.0, 1.0)
    column = pa.Column(float, in_range, coerce=True, required=required, nullable=nullable)
    return {f"{prefix}{name}": column for name in LABEL_COLUMNS}


def _is_distribution(table: pd.DataFrame) -> pd.Series:
    return (table[list(LABEL_COLUMNS)].sum(axis=1) - 1.0).abs() <= 1e-6


ID_COLUMN = pa.Column(str, unique=True, coerce=True)
_TURNS_COLUMN = pa.Column(object, pa.Check(_is_text_list, error="each cell is a list of turns"))
_IS_LABEL = pa.Check.isin([PREFERS_A, PREFERS_B, TIE])

#: One row per battle, in the order of the ids, which are texts: file, its format, position in it, three lists of turns
#: (a null turn is None), prompt group. On train also the label: the likeliest class; probabilities if it is soft.
Battles: Final = pa.DataFrameSchema(
    {
        ID: ID_COLUMN,
        "source": pa.Column(str),
        "format": pa.Column(str),
        "row": pa.Column("int64", pa.Check.ge(0), coerce=True),
        **dict.fromkeys(TEXT_COLUMNS, _TURNS_COLUMN),
        "prompt_group": pa.Column(str),
        "label": pa.Column("int8", _IS_LABEL, required=False, coerce=True),
        **_probability_columns(SOFT_LABEL, required=False, nullable=True),
        "weight": pa.Column(float, pa.Check.gt(0), nullable=True, required=False, coerce=True),
        **{name: pa.Column(str, nullable=True, required=False) for name in DESCRIPTION_COLUMNS},
    },
    strict=True,
    name="Battles",
)

#: Raw rows that were not used as written: file, id if there is one, the reason, whether it is a fault of the file or
#: a rule of ingestion, and the row as JSON.
RejectedRows: Final = pa.DataFrameSchema(
    {
        "source": pa.Column(str),
        "id": pa.Column(str, nullable=True),
        "reason": pa.Column(str),
        "is_fault": pa.Column(bool),
        "raw_row": pa.Column(str),
    },
    strict=True,
    name="RejectedRows",
)

#: Float32 logits of the three classes, one row per battle; only the id if no cross encoder is trained.
Logits: Final = pa.DataFrameSchema(
    {ID: ID_COLUMN, **{name: pa.Column("float32", required=False) for name in LABEL_COLUMNS}},
    strict=True,
    name="Logits",
)

_LABELS: Final = {
    ID: ID_COLUMN,
    "source": pa.Column(str),
    "prompt_group": pa.Column(str),
    "label": pa.Column("int8", _IS_LABEL, coerce=True),
    **_probability_columns(SOFT_LABEL),
    "weight": pa.Column(float, pa.Check.gt(0), coerce=True),
    "fold": pa.Column("int8", pa.Check.ge(0), coerce=True),
    **{name: pa.Column(str, nullable=True, required=False) for name in MODEL_COLUMNS},
}

#: File, prompt group, label, its probabilities, weight, fold and, where known, models of each training battle; no fold
#: splits a prompt group.
Labels: Final = pa.DataFrameSchema(_LABELS, strict=True, name="Labels")

#: Labels, and probabilities by models that have not seen the battle: final (no prefix), baselines, and base models.
OutOfFoldPredictions: Final = pa.DataFrameSchema(
    {
        **_LABELS,
        **_probability_columns(),
        **_probability_columns("prior_"),
        **_probability_columns("length_"),
        **_probability_columns(ORIGINAL_ORDER),
        **_probability_columns(SWAPPED_ORDER),
        **_probability_columns("linear_"),
        **_probability_columns("cross_encoder_", required=False),
    },
    checks=pa.Check(_is_distribution, error="the three probabilities of each row sum to 1"),
    strict=True,
    name="OutOfFoldPredictions",
)

#: Final probabilities of the test battles.
Predictions: Final = pa.DataFrameSchema(
    {ID: ID_COLUMN, **_probability_columns()},
    checks=pa.Check(_is_distribution, error="the three probabilities of each row sum to 1"),
    strict=True,
    ordered=True,
    name="Predictions",
)
