"""What the model reads: battles as token ids, laid out by a template and within the token budget."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import TEXT_COLUMNS

from .config import FinetuningConfig, Template
from .token_budget import Turn, fit_turns

#: The two inputs of a battle. Head comparison: either answer with the prompt. Head joint: either order of the answers.
Inputs = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]

# What a decoder is asked when it reads both answers; the braces are filled by all turns of a part.
_QUESTION: Final = (
    "A person asked two assistants:\n\n{}\n\n--- Answer A ---\n\n{}\n\n--- Answer B ---\n\n{}\n\n---\n\n"
    "Which answer does the person prefer: A, B, or neither?"
)
_BETWEEN_TURNS: Final = "\n\n"
_SLOT: Final = re.compile(r"@@(\d+)\.(\d+)@@")


class Frame(NamedTuple):
    """A template for a number of turns: ``pieces[0]``, then each slot's text followed by the next piece.

    A slot is the number of a turn, and of a part of it: 0 is the prompt, 1 and 2 are answers.
    """

    pieces: list[list[int]]
    slots: list[tuple[int, int]]


class BattleReader:
    """Turns battles into token ids, never more than ``max_tokens`` of them for an input.

    Template and texts are tokenised apart, so that the budget is exact and no text can pose as a special token.
    """

    def __init__(self, tokenizer: Any, options: FinetuningConfig) -> None:
        """Fix the layout.

        Args:
            tokenizer: Of the model, from transformers.
            options: Parameters ``finetuning``.

        Raises:
            ValueError: If a chat template is asked for and there is none, or the template alone takes ``max_tokens``.
        """
        self._tokenizer = tokenizer
        self._max_tokens = options.input.max_tokens
        self._is_joint = options.head == "joint"
        self.template: Template = options.input.template or ("chat" if tokenizer.chat_template else "text")
        if self.template == "chat" and not tokenizer.chat_template:
            raise ValueError(
                f"Model '{options.model}' has no chat template. Set finetuning.input.template to text, or to null."
            )
        self._frame = cache(self._make_frame)
        if self._find_budget(1) < 5:
            raise ValueError(
                f"Of finetuning.input.max_tokens={self._max_tokens}, {self._find_budget(1)} are left for the texts, "
                "because the template takes the others. Raise it."
            )

    def read(self, battles: pd.DataFrame) -> list[Inputs]:
        """Give the two inputs of each battle.

        Args:
            battles: One row per battle, schema ``Battles``.

        Returns:
            Two arrays of token ids for each battle. With the sides exchanged, they are the same two, exchanged.
        """
        conversations = [
            list(zip_longest(*cells)) or [("", "", "")]
            for cells in zip(*(battles[column] for column in TEXT_COLUMNS), strict=True)
        ]
        ids = self._tokenize(text or "" for turns in conversations for turn in turns for text in turn)
        return [self._lay_out([(next(ids), next(ids), next(ids)) for _ in turns]) for turns in conversations]

    def _lay_out(self, turns: Sequence[tuple[list[int], list[int], list[int]]]) -> Inputs:
        if self._is_joint:
            kept = fit_turns([Turn(prompt, (a, b)) for prompt, a, b in turns], self._find_budget)
            exchanged = [Turn(turn.prompt, turn.answers[::-1]) for turn in kept]
            return self._fill(kept), self._fill(exchanged)
        a, b = (
            self._fill(fit_turns([Turn(turn[0], (turn[side],)) for turn in turns], self._find_budget))
            for side in (1, 2)
        )
        return a, b

    def _fill(self, turns: Sequence[Turn]) -> npt.NDArray[np.int32]:
        frame = self._frame(len(turns))
        ids = list(frame.pieces[0])
        for (number, part), piece in zip(frame.slots, frame.pieces[1:], strict=True):
            ids += (turns[number].prompt, *turns[number].answers)[part]
            ids += piece
        return np.array(ids, dtype=np.int32)

    def _find_budget(self, turns: int) -> int:
        return self._max_tokens - sum(map(len, self._frame(turns).pieces))

    def _make_frame(self, turns: int) -> Frame:
        if self.template == "text":
            return self._make_text_frame(turns)
        if self._is_joint:
            parts = (_BETWEEN_TURNS.join(f"@@{turn}.{part}@@" for turn in range(turns)) for part in range(3))
            messages = [{"role": "user", "content": _QUESTION.format(*parts)}]
        else:
            messages = [
                {"role": role, "content": f"@@{turn}.{part}@@"}
                for turn in range(turns)
                for part, role in enumerate(("user", "assistant"))
            ]
        rendered = self._tokenizer.apply_chat_template(messages, tokenize=False)
        # The pattern has two groups, so every third piece is the template's own.
        split = _SLOT.split(rendered)
        slots = [(int(turn), int(part)) for turn, part in zip(split[1::3], split[2::3], strict=True)]
        if len(slots) != turns * (3 if self._is_joint else 2):
            raise ValueError(
                "The model's chat template leaves out a part of a conversation. Set finetuning.input.template to text."
            )
        return Frame([self._tokenizer(piece, add_special_tokens=False)["input_ids"] for piece in split[::3]], slots)

    def _make_text_frame(self, turns: int) -> Frame:
        tokenizer = self._tokenizer
        between_turns = tokenizer(_BETWEEN_TURNS, add_special_tokens=False)["input_ids"]
        start = [token for token in (_first(tokenizer.cls_token_id, tokenizer.bos_token_id),) if token is not None]
        end = [token for token in (_first(tokenizer.sep_token_id, tokenizer.eos_token_id),) if token is not None]
        between_parts = [tokenizer.sep_token_id] if tokenizer.sep_token_id is not None else between_turns
        slots = [(turn, part) for part in range(3 if self._is_joint else 2) for turn in range(turns)]
        pieces = [start]
        for (turn, _), following in zip(slots, [*slots[1:], None], strict=True):
            if following is None:
                pieces.append(end)
            else:
                pieces.append(between_turns if following[0] > turn else between_parts)
        return Frame(pieces, slots)

    def _tokenize(self, texts: Iterator[str]) -> Iterator[list[int]]:
        encoded = self._tokenizer(
            list(texts),
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            # Long texts are cut here, not there, and no warning is wanted.
            verbose=False,
        )
        return iter(encoded["input_ids"])


def _first(*tokens: int | None) -> int | None:
    return next((token for token in tokens if token is not None), None)
