"""Inputs of a cross encoder: a template around the texts of a battle, truncated to ``max_tokens``."""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import TEXT_COLUMNS
from arena_preference.pretrained import encode_template, encode_texts

from .config import FinetuningConfig, Template

#: Token ids of a prompt and of the one or two responses to it.
Turn = tuple[list[int], ...]
#: Two inputs per battle: each response with the prompt (head pointwise), or each order of the responses (pairwise).
Inputs = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]

# A chat model's prompt with both responses; the braces are for all turns of the prompt, of A and of B.
_QUESTION: Final = (
    "A person asked two assistants:\n\n{}\n\n--- Answer A ---\n\n{}\n\n--- Answer B ---\n\n{}\n\n---\n\n"
    "Which answer does the person prefer: A, B, or neither?"
)
_BETWEEN_TURNS: Final = "\n\n"
_SLOT: Final = re.compile(r"@@(\d+)\.(\d+)@@")


class Layout(NamedTuple):
    """The template of a number of turns: ``segments[0]``, then the text of each slot and the segment after it.

    A slot is the index of a turn and of a text in it: 0 is the prompt, 1 and 2 are responses.
    """

    segments: list[list[int]]
    slots: list[tuple[int, int]]


class BattleTokenizer:
    """Turns battles into token ids, at most ``max_tokens`` per input.

    Template and texts are tokenized separately, so that the budget is exact.
    """

    def __init__(self, tokenizer: Any, config: FinetuningConfig) -> None:
        """Choose the layout.

        Raises:
            ValueError: If the tokenizer has no chat template and one is required, or the template takes ``max_tokens``.
        """
        self._tokenizer = tokenizer
        self._max_tokens = config.input.max_tokens
        self._is_pairwise = config.head == "pairwise"
        self.template: Template = config.input.template or ("chat" if tokenizer.chat_template else "text")
        if self.template == "chat" and not tokenizer.chat_template:
            raise ValueError(
                f"Model '{config.model}' has no chat template. Set finetuning.input.template to text or null."
            )
        self._layout = cache(self._make_chat_layout if self.template == "chat" else self._make_text_layout)
        if self._find_budget(1) < 5:
            raise ValueError(
                f"finetuning.input.max_tokens={self._max_tokens} leaves {self._find_budget(1)} tokens for the texts; "
                "the template takes the others. Raise it."
            )

    def tokenize(self, battles: pd.DataFrame) -> list[Inputs]:
        """Return the two inputs of each battle; for the swapped battle, they are the same two, swapped."""
        conversations = [
            list(zip_longest(*cells)) or [("", "", "")]
            for cells in zip(*(battles[column] for column in TEXT_COLUMNS), strict=True)
        ]
        texts = [text or "" for turns in conversations for turn in turns for text in turn]
        ids = iter(encode_texts(self._tokenizer, texts))
        return [self._lay_out([(next(ids), next(ids), next(ids)) for _ in turns]) for turns in conversations]

    def _lay_out(self, turns: Sequence[Turn]) -> Inputs:
        if self._is_pairwise:
            kept = fit_turns(turns, self._find_budget)
            return self._fill(kept), self._fill([(prompt, b, a) for prompt, a, b in kept])
        a, b = (fit_turns([(turn[0], turn[side]) for turn in turns], self._find_budget) for side in (1, 2))
        return self._fill(a), self._fill(b)

    def _fill(self, turns: Sequence[Turn]) -> npt.NDArray[np.int32]:
        layout = self._layout(len(turns))
        ids = list(layout.segments[0])
        for (turn, text), segment in zip(layout.slots, layout.segments[1:], strict=True):
            ids += turns[turn][text] + segment
        return np.array(ids, dtype=np.int32)

    def _find_budget(self, turns: int) -> int:
        return self._max_tokens - sum(map(len, self._layout(turns).segments))

    def _make_chat_layout(self, turns: int) -> Layout:
        if self._is_pairwise:
            texts = (_BETWEEN_TURNS.join(f"@@{turn}.{text}@@" for turn in range(turns)) for text in range(3))
            messages = [{"role": "user", "content": _QUESTION.format(*texts)}]
        else:
            messages = [
                {"role": role, "content": f"@@{turn}.{text}@@"}
                for turn in range(turns)
                for text, role in enumerate(("user", "assistant"))
            ]
        # The pattern has two groups, so every third part is the template's.
        parts = _SLOT.split(self._tokenizer.apply_chat_template(messages, tokenize=False))
        slots = [(int(turn), int(text)) for turn, text in zip(parts[1::3], parts[2::3], strict=True)]
        if len(slots) != turns * (3 if self._is_pairwise else 2):
            raise ValueError(
                "The model's chat template omits some texts of a conversation. Set finetuning.input.template to text."
            )
        return Layout(encode_template(self._tokenizer, parts[::3]), slots)

    def _make_text_layout(self, turns: int) -> Layout:
        tokenizer = self._tokenizer
        (between_turns,) = encode_texts(tokenizer, [_BETWEEN_TURNS])
        start = next(([id_] for id_ in (tokenizer.cls_token_id, tokenizer.bos_token_id) if id_ is not None), [])
        end = next(([id_] for id_ in (tokenizer.sep_token_id, tokenizer.eos_token_id) if id_ is not None), [])
        between_texts = between_turns if tokenizer.sep_token_id is None else [tokenizer.sep_token_id]
        slots = [(turn, text) for text in range(3 if self._is_pairwise else 2) for turn in range(turns)]
        # All turns of the prompt, then all turns of each response.
        between = [between_texts if turn == turns - 1 else between_turns for turn, _ in slots[:-1]]
        return Layout([start, *between, end], slots)


def share_budget(lengths: Sequence[int], budget: int) -> list[int]:
    """Share a budget of tokens between a prompt and its responses, whose lengths are given in this order.

    A response's share is twice the prompt's; what one text does not need goes to the others, so that the longer
    response is cut first. Two responses that are both cut keep equally many tokens; an odd token goes to the prompt or,
    if that is complete, is left over.
    """
    prompt, *responses = lengths

    def share(level: int) -> list[int]:
        return [min(prompt, level // 2), *(min(response, level) for response in responses)]

    levels = range(2 * max(lengths) + 1)
    _, *kept = share(bisect_right(levels, budget, key=lambda level: sum(share(level))) - 1)
    return [min(prompt, budget - sum(kept)), *kept]


def fit_turns(turns: Sequence[Turn], find_budget: Callable[[int], int]) -> list[Turn]:
    """Cut a conversation to a budget, which depends on its number of turns.

    Early turns are dropped, then the starts of the last turn's texts.
    """
    kept = list(turns)
    while len(kept) > 1 and sum(len(text) for turn in kept for text in turn) > find_budget(len(kept)):
        kept.pop(0)
    if len(kept) > 1:
        return kept
    sizes = share_budget([len(text) for text in kept[0]], find_budget(1))
    return [tuple(text[len(text) - size :] for text, size in zip(kept[0], sizes, strict=True))]
