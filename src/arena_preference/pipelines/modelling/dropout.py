"""Consensus dropout: some battles are learned as if their prompt had occurred once."""

from typing import Final

import numpy as np
import pandas as pd
from pandas.util import hash_array

from arena_preference.battles import CONSENSUS, ID

_HASH_KEY: Final = "consensus dropout"[:16]


def drop_consensus(model_input: pd.DataFrame, fraction: float) -> pd.DataFrame:
    """Set the consensus features of some battles to 0, their value if a prompt occurs once.

    Otherwise models fitted on repeated prompts alone fail on prompts that occur once. Which battles these are depends
    on their ids alone, so that all models see the same ones.
    """
    dropped = hash_array(model_input[ID].to_numpy(object), hash_key=_HASH_KEY, categorize=False) / 2**64 < fraction
    columns = [name for name in model_input if name.startswith(CONSENSUS)]
    return model_input.assign(**{name: model_input[name].where(~dropped, np.float32(0)) for name in columns})
