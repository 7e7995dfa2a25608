from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from arena_preference.pipelines.finetuning.inputs import BattleReader
from arena_preference.symmetry import swap_battles

from .conftest import ChangeOptions, MakeModel

LAYOUTS = [
    ("distilbert", "comparison"),
    ("distilbert", "joint"),
    ("llama", "comparison"),
    ("llama", "joint"),
]
# The question around both answers takes tokens of its own.
MOST = {("llama", "joint"): 100}

TURNS = st.lists(st.one_of(st.none(), st.text("the sea [SEP]?", max_size=60)), max_size=4)


def make_reader(make_model: MakeModel, change_options: ChangeOptions, model: str, **changes: Any) -> BattleReader:
    return BattleReader(AutoTokenizer.from_pretrained(make_model(model)), change_options(model, **changes))


def make_battle(prompt: list[Any], a: list[Any], b: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"prompt": [prompt], "response_a": [a], "response_b": [b]})


def spell(make_model: MakeModel, tokens: Any) -> str:
    return AutoTokenizer.from_pretrained(make_model("distilbert")).decode(tokens)


@pytest.mark.parametrize(("model", "head"), LAYOUTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(prompt=TURNS, a=TURNS, b=TURNS)
def test_no_input_is_longer_than_it_may_be_and_a_swap_exchanges_the_two(
    make_model: MakeModel, change_options: ChangeOptions, model: str, head: str, prompt: Any, a: Any, b: Any
) -> None:
    most = MOST.get((model, head), 40)
    reader = make_reader(make_model, change_options, model, head=head, input={"max_tokens": most})
    battle = make_battle(prompt, a, b)
    (inputs,), (swapped,) = reader.read(battle), reader.read(swap_battles(battle))
    assert all(0 < len(tokens) <= most for tokens in inputs)
    assert [tokens.tolist() for tokens in swapped] == [tokens.tolist() for tokens in inputs[::-1]]


def test_an_encoder_reads_special_tokens_between_the_texts(
    make_model: MakeModel, change_options: ChangeOptions
) -> None:
    battle = make_battle(["question ?"], ["good river"], ["bad sea"])
    (joint,) = make_reader(make_model, change_options, "distilbert", head="joint").read(battle)
    assert [spell(make_model, tokens) for tokens in joint] == [
        "[CLS] question ? [SEP] good river [SEP] bad sea [SEP]",
        "[CLS] question ? [SEP] bad sea [SEP] good river [SEP]",
    ]
    (sides,) = make_reader(make_model, change_options, "distilbert").read(battle)
    assert [spell(make_model, tokens) for tokens in sides] == [
        "[CLS] question ? [SEP] good river [SEP]",
        "[CLS] question ? [SEP] bad sea [SEP]",
    ]


def test_a_decoder_reads_its_chat_template_turn_by_turn(make_model: MakeModel, change_options: ChangeOptions) -> None:
    battle = make_battle(["river ?", "sea ?"], ["good", "the"], ["bad", None])
    ((a, b),) = make_reader(make_model, change_options, "llama").read(battle)
    turn = "[CLS] user : {} ? [SEP] [CLS] assistant : {} [SEP]"
    assert spell(make_model, a) == f"{turn.format('river', 'good')} {turn.format('sea', 'the')}"
    assert spell(make_model, b).startswith(turn.format("river", "bad"))


def test_a_text_cannot_pose_as_a_special_token(make_model: MakeModel, change_options: ChangeOptions) -> None:
    reader = make_reader(make_model, change_options, "distilbert")
    ((a, b),) = reader.read(make_battle(["question"], ["[SEP] good"], ["good"]))
    assert a.tolist().count(3) == b.tolist().count(3) == 2


def test_a_chat_template_that_is_not_there_cannot_be_asked_for(
    make_model: MakeModel, change_options: ChangeOptions
) -> None:
    with pytest.raises(ValueError, match=r"has no chat template. Set finetuning.input.template to text"):
        make_reader(make_model, change_options, "distilbert", input={"template": "chat"})
    assert make_reader(make_model, change_options, "llama", input={"template": "text"}).template == "text"


def test_a_template_that_leaves_no_room_is_refused(make_model: MakeModel, change_options: ChangeOptions) -> None:
    with pytest.raises(ValueError, match=r"max_tokens=32, -?\d+ are left for the texts"):
        make_reader(make_model, change_options, "llama", head="joint", input={"max_tokens": 32})
