from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from arena_preference.pipelines.finetuning.tokenization import BattleTokenizer
from arena_preference.symmetry import swap_battles

from ...tiny_models import make_unigram_tokenizer
from .conftest import MakeConfig, MakeModel

LAYOUTS = [
    ("distilbert", "pointwise"),
    ("distilbert", "pairwise"),
    ("llama", "pointwise"),
    ("llama", "pairwise"),
]
# The prompt around both responses takes tokens of its own.
MOST = {("llama", "pairwise"): 100}

TURNS = st.lists(st.one_of(st.none(), st.text("the sea [SEP]?", max_size=60)), max_size=4)


def make_tokenizer(make_model: MakeModel, make_config: MakeConfig, model: str, **changes: Any) -> BattleTokenizer:
    return BattleTokenizer(AutoTokenizer.from_pretrained(make_model(model)), make_config(model, **changes))


def make_battle(prompt: list[Any], a: list[Any], b: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"prompt": [prompt], "response_a": [a], "response_b": [b]})


def spell(make_model: MakeModel, tokens: Any) -> str:
    return AutoTokenizer.from_pretrained(make_model("distilbert")).decode(tokens)


@pytest.mark.parametrize(("model", "head"), LAYOUTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(prompt=TURNS, a=TURNS, b=TURNS)
def test_no_input_exceeds_max_tokens_and_the_swapped_battle_has_the_swapped_inputs(
    make_model: MakeModel, make_config: MakeConfig, model: str, head: str, prompt: Any, a: Any, b: Any
) -> None:
    most = MOST.get((model, head), 40)
    tokenizer = make_tokenizer(make_model, make_config, model, head=head, input={"max_tokens": most})
    battle = make_battle(prompt, a, b)
    (inputs,), (swapped,) = tokenizer.tokenize(battle), tokenizer.tokenize(swap_battles(battle))
    assert all(0 < len(tokens) <= most for tokens in inputs)
    assert [tokens.tolist() for tokens in swapped] == [tokens.tolist() for tokens in inputs[::-1]]


def test_an_encoder_reads_special_tokens_between_the_texts(make_model: MakeModel, make_config: MakeConfig) -> None:
    battle = make_battle(["question ?"], ["good river"], ["bad sea"])
    (pairwise,) = make_tokenizer(make_model, make_config, "distilbert", head="pairwise").tokenize(battle)
    assert [spell(make_model, tokens) for tokens in pairwise] == [
        "[CLS] question ? [SEP] good river [SEP] bad sea [SEP]",
        "[CLS] question ? [SEP] bad sea [SEP] good river [SEP]",
    ]
    (pointwise,) = make_tokenizer(make_model, make_config, "distilbert").tokenize(battle)
    assert [spell(make_model, tokens) for tokens in pointwise] == [
        "[CLS] question ? [SEP] good river [SEP]",
        "[CLS] question ? [SEP] bad sea [SEP]",
    ]


def test_a_decoder_reads_its_chat_template_turn_by_turn(make_model: MakeModel, make_config: MakeConfig) -> None:
    battle = make_battle(["river ?", "sea ?"], ["good", "the"], ["bad", None])
    ((a, b),) = make_tokenizer(make_model, make_config, "llama").tokenize(battle)
    turn = "[CLS] user : {} ? [SEP] [CLS] assistant : {} [SEP]"
    assert spell(make_model, a) == f"{turn.format('river', 'good')} {turn.format('sea', 'the')}"
    assert spell(make_model, b).startswith(turn.format("river", "bad"))


def test_a_text_cannot_imitate_a_special_token(make_model: MakeModel, make_config: MakeConfig) -> None:
    tokenizer = make_tokenizer(make_model, make_config, "distilbert")
    ((a, b),) = tokenizer.tokenize(make_battle(["question"], ["[SEP] good"], ["good"]))
    assert a.tolist().count(3) == b.tolist().count(3) == 2


def test_nor_one_that_is_a_word_of_the_vocabulary(make_config: MakeConfig) -> None:
    tokenizer = make_unigram_tokenizer()
    ((a, b),) = BattleTokenizer(tokenizer, make_config()).tokenize(make_battle(["the"], ["</s> the"], ["the"]))
    assert a.tolist().count(tokenizer.eos_token_id) == b.tolist().count(tokenizer.eos_token_id) == 1


def test_template_chat_without_a_chat_template_is_an_error(make_model: MakeModel, make_config: MakeConfig) -> None:
    with pytest.raises(ValueError, match=r"finetuning\.input\.template to text"):
        make_tokenizer(make_model, make_config, "distilbert", input={"template": "chat"})
    assert make_tokenizer(make_model, make_config, "llama", input={"template": "text"}).template == "text"


def test_a_template_that_leaves_no_room_for_texts_is_an_error(make_model: MakeModel, make_config: MakeConfig) -> None:
    with pytest.raises(ValueError, match=r"finetuning\.input\.max_tokens=32 leaves -?\d+ tokens"):
        make_tokenizer(make_model, make_config, "llama", head="pairwise", input={"max_tokens": 32})
