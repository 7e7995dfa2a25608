"""Battles for the features of relevance and of consensus."""

import numpy as np
import pandas as pd

from arena_preference.battles import ID, prompt_group

Turns = list[str | None]


def make_battles(rows: list[tuple[Turns, Turns, Turns]], first_id: int = 0) -> pd.DataFrame:
    """Make battles of a prompt and two answers each, with ids in steps of 3."""
    table = pd.DataFrame({ID: np.arange(len(rows), dtype=np.int64) * 3 + first_id})
    for place, name in enumerate(("prompt", "response_a", "response_b")):
        table[name] = pd.Series([row[place] for row in rows], dtype=object)
    return table.assign(prompt_group=[prompt_group(prompt) for prompt, _, _ in rows])
