from typing import Any

import numpy as np
import pandas as pd
import pytest

from arena_preference.pipelines.embedding.model_inputs import (
    count_characters,
    join_turns,
    list_conversations,
    make_input_keys,
)


@pytest.mark.parametrize(
    ("turns", "text"),
    [
        (["one", "two"], "one\n\ntwo"),
        (np.array(["one", None, "three"], dtype=object), "one\n\nthree"),
        ([None], ""),
        (np.array([], dtype=object), ""),
        ([""], ""),
    ],
)
def test_turns_are_joined_by_blank_lines_and_null_turns_skipped(turns: Any, text: str) -> None:
    assert join_turns(turns) == text


def test_a_conversation_alternates_and_a_missing_turn_is_empty() -> None:
    battles = pd.DataFrame(
        {
            "prompt": [["who?", "and why?"], ["who?"], []],
            "response_a": [["a river", None], ["a river", "more"], np.array([], dtype=object)],
        }
    )
    assert list_conversations(battles, "response_a") == [
        (("who?", "a river"), ("and why?", "")),
        (("who?", "a river"), ("", "more")),
        (("", ""),),
    ]


def test_characters_of_texts_and_conversations_are_counted() -> None:
    assert count_characters(("query: ", "a river")) == 14
    assert count_characters((("who?", "a river"), ("", "more"))) == 15


def test_a_key_tells_the_prefix_from_the_text_and_turns_from_each_other() -> None:
    inputs: list[Any] = [("a", "b"), ("", "ab"), (("a", "b"),), (("a", ""), ("", "b")), (("a\n\nb", ""),)]
    assert len(set(make_input_keys(inputs))) == len(inputs)
    np.testing.assert_array_equal(make_input_keys(inputs[::-1]), make_input_keys(inputs)[::-1])
