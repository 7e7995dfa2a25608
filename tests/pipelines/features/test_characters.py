"""Counts of characters by class are those of the patterns."""

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from arena_preference.pipelines.features.characters import count_characters
from arena_preference.pipelines.features.patterns import CHARACTERS, SCRIPTS

from .conftest import laws


@laws
@given(st.lists(st.text(max_size=50), min_size=1, max_size=5))
@example(
    [
        "".join(
            chr(point)
            for point in range(0x110000)
            if not 0xD800 <= point < 0xE000 and (point < 0x3000 or point % 7 == 0)
        )
    ]
)
def test_characters_are_counted_as_the_patterns_count_them(texts):
    classes = {**CHARACTERS, **{f"script_{name}": pattern for name, pattern in SCRIPTS.items()}}
    expected = pl.DataFrame({"text": texts}).select(
        pl.col("text").str.count_matches(pattern).alias(name) for name, pattern in classes.items()
    )
    assert {name: counts.tolist() for name, counts in count_characters(texts).items()} == expected.to_dict(
        as_series=False
    )
