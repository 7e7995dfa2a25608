"""Batches of battles, as transformers' Trainer takes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from .inputs import Inputs


class BattleInputs(Dataset[dict[str, Any]]):
    """Battles as a model reads them, one at a time."""

    def __init__(self, inputs: Sequence[Inputs], labels: npt.NDArray[Any] | None, orders: int = 2) -> None:
        """Keep them.

        Args:
            inputs: What ``BattleReader.read`` gave.
            labels: Shape (n,); None where there are none.
            orders: 1 leaves out the second input of each battle.
        """
        self._inputs, self._labels, self._orders = inputs, labels, orders

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, number: int) -> dict[str, Any]:
        item: dict[str, Any] = {"inputs": self._inputs[number][: self._orders]}
        return item if self._labels is None else {**item, "labels": int(self._labels[number])}


class Collator:
    """Makes a batch of battles: the inputs of all of them, padded on the right to the longest."""

    def __init__(self, filler: int) -> None:
        """Take the token that fills up an input."""
        self._filler = filler

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Give ``input_ids`` and ``attention_mask``, shape (battles, inputs, tokens), and labels where there are."""
        orders = len(items[0]["inputs"])
        width = max(len(tokens) for item in items for tokens in item["inputs"])
        input_ids = torch.full((len(items), orders, width), self._filler, dtype=torch.long)
        attention_mask = torch.zeros_like(input_ids)
        for row, item in enumerate(items):
            for order, tokens in enumerate(item["inputs"]):
                input_ids[row, order, : len(tokens)] = torch.from_numpy(tokens)
                attention_mask[row, order, : len(tokens)] = 1
        batch = {"input_ids": input_ids, "attention_mask": attention_mask}
        if "labels" in items[0]:
            batch["labels"] = torch.tensor([item["labels"] for item in items])
        return batch


def sort_by_length(inputs: Sequence[Inputs], rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Put rows in the order of the lengths of their inputs, the longest first."""
    lengths = np.array([max(len(tokens) for tokens in inputs[row]) for row in rows])
    return rows[np.argsort(-lengths, kind="stable")]
