import unicodedata
from typing import Literal

import numpy as np
import pandas as pd
import pandera.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena_preference.battles import (
    Battles,
    Labels,
    Predictions,
    align_rows,
    has_values,
    normalise_prompt,
    prompt_group,
)


@given(st.text())
def test_prompt_group_ignores_case_of_ascii_and_spacing(prompt: str) -> None:
    spaced = "  " + "\n ".join(prompt.split()) + "\t"
    assert prompt_group([spaced]) == prompt_group([prompt])
    capitals = "".join(letter.upper() if letter.isascii() else letter for letter in prompt)
    assert prompt_group([capitals]) == prompt_group([prompt])


def test_prompt_group_tells_different_prompts_apart_and_ignores_later_turns() -> None:
    assert prompt_group(["Why?"]) == prompt_group(["why?", "And then?"])
    assert prompt_group(["Why?"]) != prompt_group(["Why not?"])


def test_prompt_group_takes_a_missing_prompt_as_empty() -> None:
    assert prompt_group([]) == prompt_group([None]) == prompt_group([""]) == prompt_group(["  "])


def test_prompt_group_is_the_same_on_every_machine() -> None:
    assert prompt_group(["What is a fold?"]) == "b90bcb18c44ac47f"


def test_normalise_prompt_folds_case_and_collapses() -> None:
    assert normalise_prompt(" A\n  B ") == "a b"
    assert normalise_prompt("GRÜẞE") == normalise_prompt("grüsse")
    assert normalise_prompt(None) == ""


@pytest.mark.parametrize(
    "variant",
    [
        "Cafe\u0301",
        "\ufeffcafé",
        "c\u200baf\u00adé",
        "ｃａｆé",
        "\u200fcafé\ufe0f",
        "café?!",
        "café …",
        "café\u00a0？",
        "café。",
        "café؟",
        "café।",
        "café.\u200d",
        "\u3000café\u2060",
    ],
    ids=ascii,
)
def test_normalise_prompt_ignores_what_hardly_shows(variant: str) -> None:
    assert normalise_prompt(variant) == "café"


def test_normalise_prompt_keeps_punctuation_that_is_all_there_is_or_not_at_the_end() -> None:
    assert [normalise_prompt(prompt) for prompt in ("", "?", "!!!", "…", "？ !")] == ["", "?", "!!!", "...", "? !"]
    assert [normalise_prompt(prompt) for prompt in (".NET 4.8?", "C", "C#", "C++")] == [".net 4.8", "c", "c#", "c++"]


# Characters that combine, fold to several, or change their form, beside any others.
prompts = st.text(
    st.characters(codec="utf-8") | st.sampled_from("sßẞİıǰŉſKﬁ½²´¨ᾳΣς\u0345\u0323\u0301각ᄀ\u1161カ\u3099 \u00a0.?")
)
invisible = st.text(st.characters(categories=["Cf"]) | st.sampled_from("\u034f\u3164\ufe0f\U000e0100"), min_size=1)


@given(prompts)
def test_normalise_prompt_changes_nothing_twice(prompt: str) -> None:
    assert normalise_prompt(normalise_prompt(prompt)) == normalise_prompt(prompt)


@given(prompts, st.sampled_from(["NFC", "NFD"]))
def test_normalise_prompt_ignores_the_unicode_form(prompt: str, form: Literal["NFC", "NFD"]) -> None:
    assert normalise_prompt(unicodedata.normalize(form, prompt)) == normalise_prompt(prompt)


@given(prompts, invisible, prompts)
def test_normalise_prompt_ignores_invisible_characters(before: str, inserted: str, after: str) -> None:
    assert normalise_prompt(before + inserted + after) == normalise_prompt(before + after)


@given(prompts, st.text(".!?…。！？．｡؟۔।॥ \n", min_size=1))
def test_normalise_prompt_ignores_final_punctuation(prompt: str, marks: str) -> None:
    assert normalise_prompt(f"Say {prompt}{marks}") == normalise_prompt(f"Say {prompt}")


def test_battles_schema_accepts_battles_with_and_without_label(battles: pd.DataFrame) -> None:
    Battles.validate(battles)
    Battles.validate(battles.drop(columns="label"))


@pytest.mark.parametrize(
    ("column", "value"), [("label", 3), ("prompt", "not a list"), ("id", 2**32 + 7), ("prompt_group", None)]
)
def test_battles_schema_rejects_what_is_not_a_battle(battles: pd.DataFrame, column: str, value: object) -> None:
    battles[column] = [value, *battles[column][1:]]
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors)):
        Battles.validate(battles)


def test_predictions_schema_rejects_rows_that_do_not_sum_to_one() -> None:
    rows = {"id": [1], "winner_model_a": [0.5], "winner_model_b": [0.3], "winner_tie": [0.3]}
    with pytest.raises(pandera.errors.SchemaError, match="sum to 1"):
        Predictions.validate(pd.DataFrame(rows))


def test_labels_schema_accepts_labels_and_no_other_column(labels: pd.DataFrame) -> None:
    Labels.validate(labels)
    Labels.validate(labels.assign(model_a=None, model_b=["red", None] * 120))
    with pytest.raises(pandera.errors.SchemaErrors, match="other"):
        Labels.validate(labels.assign(other=1))


def test_rows_are_aligned_by_id(rng: np.random.Generator, battles: pd.DataFrame) -> None:
    shuffled = battles.sample(frac=1, random_state=rng)
    pd.testing.assert_frame_equal(align_rows(shuffled, battles["id"], "battles"), battles)


def test_rows_that_are_in_order_keep_their_values_whatever_the_index(battles: pd.DataFrame) -> None:
    indexed = battles.set_index(battles.index + 7)
    pd.testing.assert_frame_equal(align_rows(indexed, battles["id"], "battles"), battles)
    id_last = indexed[[*battles.columns.drop("id"), "id"]]
    pd.testing.assert_frame_equal(align_rows(id_last, battles["id"], "battles"), battles)


@pytest.mark.parametrize("rows", [slice(1, None), slice(None, -1)])
def test_tables_of_other_battles_are_an_error_that_names_the_table(battles: pd.DataFrame, rows: slice) -> None:
    with pytest.raises(ValueError, match=r"some table .*from_run=RUN"):
        align_rows(battles[rows], battles["id"], "some table")
    with pytest.raises(ValueError, match=r"some table .* 240 rows for 239"):
        align_rows(battles, battles["id"][rows], "some table")


def test_a_table_of_ids_alone_has_no_values(battles: pd.DataFrame) -> None:
    assert has_values(battles)
    assert not has_values(battles[["id"]])
