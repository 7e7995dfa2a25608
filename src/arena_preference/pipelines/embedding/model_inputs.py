"""Inputs of the models: texts and conversations of battles, and their keys in the embedding store."""

import json
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import TEXT_COLUMNS
from arena_preference.datasets import make_keys

from .encoder_settings import EncoderSettings

Turns = npt.NDArray[Any] | Sequence[str | None]
#: The encoder's prefix, and a text.
PrefixedText = tuple[str, str]
#: Prompt and response of each turn.
Conversation = tuple[tuple[str, str], ...]


def list_texts(battles: pd.DataFrame, settings: EncoderSettings) -> dict[str, list[PrefixedText]]:
    """Texts of each text column; prompts are queries, responses are documents."""
    prefixes = (settings.query_prefix, settings.document_prefix, settings.document_prefix)
    return {
        column: [(prefix, join_turns(turns)) for turns in battles[column]]
        for column, prefix in zip(TEXT_COLUMNS, prefixes, strict=True)
    }


def join_turns(turns: Turns) -> str:
    """The turns of a cell as one text, without null turns, separated by blank lines."""
    return "\n\n".join(turn for turn in turns if turn is not None)


def list_conversations(battles: pd.DataFrame, side: str) -> list[Conversation]:
    """Each prompt with the response of one side; a turn that is null or missing on one side is empty."""
    return [
        tuple((prompt or "", response or "") for prompt, response in zip_longest(prompts, responses)) or (("", ""),)
        for prompts, responses in zip(battles["prompt"], battles[side], strict=True)
    ]


def count_characters(part: PrefixedText | Conversation | tuple[str, str]) -> int:
    """Characters of all texts of an input."""
    return sum(len(text) if isinstance(text, str) else count_characters(text) for text in part)


def make_input_keys(inputs: Iterable[PrefixedText | Conversation]) -> npt.NDArray[np.bytes_]:
    """Keys in the embedding store, shape (n,)."""
    return make_keys(json.dumps(part) for part in inputs)
