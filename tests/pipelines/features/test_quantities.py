"""Counts, ratios and kinds of single texts, as a reader would count them."""

import pytest

from arena_preference.pipelines.features.patterns import LEXICA
from arena_preference.pipelines.features.quantities import (
    LAST_TURN_COUNTS,
    PROMPT_KINDS,
    PROMPT_QUANTITIES,
    SIDE_COUNTS,
    SIDE_RATIOS,
    SUMMED,
)
from arena_preference.symmetry import FORM_SEPARATOR

from .conftest import Turns, measure, measure_response

COUNTS = [
    ("characters", "héllo", 5),
    ("characters", "漢字🙂", 3),
    ("words", "It's a well-known fact: 3.14 isn't 22/7.", 10),
    ("words", "日本語 text", 4),
    ("words", "привет мир", 2),
    ("unique_words", "The cat and the dog and the bird", 5),
    ("sentences", "Dr. No came. He left! Did he? Pi is 3.14.", 5),
    ("sentences", "No full stop", 1),
    ("sentences", 'He said "stop." Then he left...', 2),
    ("sentences", "这是第一句。这是第二句！", 2),
    ("paragraphs", "one\ntwo\n\nthree\n \n\nfour\n", 3),
    ("lines", "one\n\n  two\n   \nthree", 3),
    ("turns", "x", 1),
    ("headers", "# One\ntext # no\n### Two\n#hashtag\n####### seven", 2),
    ("bold", "**a** and **b c** and __d__ but not ** e", 3),
    ("italics", "*a* and *b c*, but not **d** and not 2 * 3 * 4", 2),
    ("bullets", "- a\n* b\n  + c\n• d\n-e\n2 - 1", 4),
    ("numbered_items", "1. a\n2) b\n  10. c\n1.5 d\n2023 e", 3),
    ("nested_items", "- a\n  - b\n\t1. c", 2),
    ("list_items", "- a\n1. b", 2),
    ("formatting", "# h\n- a\n**b**\n| c | d |", 4),
    ("code_fences", "```python\nx\n```\ntext", 2),
    ("code_characters", "ab ```x``` cd", 7),
    ("code_characters", "ab ```cut off", 10),
    ("inline_code", "use `a` and `b c`, not ```x```", 2),
    ("table_rows", "| a | b |\n|---|---|\n| 1 | 2 |\na | b", 3),
    ("links", "https://a.b and http://c.d and www.e.f", 3),
    ("latex", r"$$x$$ and \(y\) and \frac{1}{2} and $x^2$ for $5 or $6", 5),
    ("block_quotes", "> a\n> b\nc > d", 2),
    ("rules", "a\n---\nb\n***\n- - -", 2),
    ("quotes", "\"a\" “b”", 4),
    ("digits", "3.14 and 2", 4),
    ("numbers", "3.14, 1,000 and 2", 3),
    ("capitals", "Ab CD é É", 4),
    ("capitalised_words", "Paris and NATO in May", 2),
    ("acronyms", "NATO, the EU and A plan", 2),
    ("non_ascii", "naïve 漢", 2),
    ("emoji", "🙂 ok 🚀 ✅", 3),
    ("question_marks", "a? b？", 2),
    ("exclamation_marks", "a! b!! c！", 4),
    ("parentheses", "(a) (b)", 2),
    ("commas", "a, b，c、d", 3),
    ("colons", "a: b：c", 2),
    ("semicolons", "a; b", 1),
    ("dashes", "a – b — c - d e-f", 3),
    ("ellipses", "a... b…", 2),
    ("symbols", "a=b+c #1", 3),
    ("control_characters", "a\x00b\x7f\tc\n�", 3),
    ("null_turns", None, 1),
    ("null_turns", "", 0),
    ("empty_turns", " \n\t", 1),
    ("empty_turns", None, 0),
    ("unfinished_turns", "It ends in the mid", 1),
    ("unfinished_turns", "It ends here:", 1),
    ("unfinished_turns", "It ends here.  \n", 0),
    ("unfinished_turns", "", 0),
    ("odd_fences", "```python\nx", 1),
    ("odd_fences", "```python\nx\n```", 0),
    ("refusals", "I'm sorry, but I can't do that. I’m unable to comply.", 2),
    ("refusals", "You can help me; we cannot lose.", 0),
    ("apologies", "Sorry, I apologize. My apologies!", 3),
    ("ai_self", "As an AI language model, I have no body.", 1),
    ("politeness", "Please feel free to ask. Thank you!", 3),
    ("eager_openings", "Certainly! Here it is.", 1),
    ("eager_openings", "It is certainly here.", 0),
    ("closing_offers", "Let me know if you need more.", 2),
    ("conclusions", "In conclusion, yes.\nOverall, it is fine.", 2),
    ("examples", "For example, fruit such as apples.", 2),
    ("cautions", "It is important to consult a professional.", 3),
    ("concessions", "You are right, I made a mistake.", 2),
    ("steps", "Step 1: go. Step 2: stop. A step back.", 2),
    ("opinions", "I think so. In my opinion, no.", 2),
    ("role_leaks", "Yes.\nHuman: next\n### Instruction", 2),
    ("hedges", "It may be, perhaps it might.", 3),
    ("enthusiasm", "Great, absolutely fantastic!", 3),
    ("connectives", "However, it rained; therefore we left because of it.", 3),
    ("first_person", "I gave my book to me; it is mine", 4),
    ("first_person_plural", "We like our house", 2),
    ("second_person", "You know your way", 2),
    ("negations", "No, it isn't and can't be nothing", 4),
    ("imperatives", "Use it, then make sure", 2),
    ("long_words", "extraordinary elephant cat mammoth", 3),
    ("repeated_trigrams", "a b c a b c a b c", 4),
    ("repeated_lines", "x\ny\nx\n\nx", 2),
    ("repeated_sentences", "It is so. It costs 3.5. Is it so? **It IS so!** It is so", 2),
    ("repeated_sentences", "Pros:\n1. Cheap.\n2. Fast.\n\nCons:\n1. Heavy.\n**2.** Loud.", 0),
    ("repeated_sentences", "1. Cheap.\n2. Fast.\n3. Cheap!", 1),
    ("repeated_sentences", "是的。不是。是的。", 1),
    ("repeated_sentences", "- a b\n- a c\n* a b\n}\n}", 1),
    ("new_words", "Say something new", 1),
]  # fmt: skip

RATIOS = [
    ("word_length", "ab abcd", 3),
    ("sentence_words", "One two. Three four five six.", 3),
    ("paragraph_words", "a b c\n\nd", 2),
    ("line_words", "a b c\nd", 2),
    ("long_word_share", "elephant cat", 1 / 2),
    ("syllables_per_word", "banana cat", 2),
    ("flesch_reading_ease", "The cat sat.", 206.835 - 1.015 * 3 - 84.6),
    ("type_token_ratio", "a b a b", 1 / 2),
    ("root_type_token_ratio", "a b a b", 1),
    ("function_word_share", "the cat", 1 / 2),
    ("capital_share", "Ab cD", 1 / 2),
    ("capitalised_share", "Paris rains", 1 / 2),
    ("digit_share", "1a", 1 / 2),
    ("non_ascii_share", "aé", 1 / 2),
    ("letter_share", "a1", 1 / 2),
    ("code_share", "ab```", 3 / 5),
    ("comma_rate", "a, b", 1 / 2),
    ("list_item_share", "- a\nb", 1 / 2),
    ("hedges_rate", "maybe so", 1 / 2),
    ("numbers_rate", "4 cats", 1 / 2),
    ("repeated_bigram_share", "a b a b", 1 / 3),
    ("repeated_trigram_share", "a b c a b c a", 2 / 5),
    ("repeated_line_share", "x\nx", 1 / 2),
    ("repeated_sentence_share", "Yes. No, no. Yes!", 3 / 11),
]

PROMPTS_OF_KINDS = [
    ("Write a Python function that sorts.", "code"),
    ("Solve 3x + 5 = 11", "maths"),
    ("Give me 5 ideas for a party", "list"),
    ("Write a poem about rain", "writing"),
    ("Summarize this text", "rewriting"),
    ("Extract the names", "extraction"),
    ("Act as a pirate", "role_play"),
    ("Answer in one sentence", "brevity"),
    ("Explain in detail", "detail"),
    ("Return JSON", "format"),
    ("Compare tea and coffee", "comparison"),
    ("Who was Ada Lovelace?", "factual"),
    ("How do I bake bread?", "how_to"),
    ("Are you sure? That is wrong.", "correction"),
    ("How to build a bomb", "sensitive"),
    ("Hello there", "greeting"),
    ("A riddle for you", "reasoning"),
    ("What is your favorite film?", "opinion"),
]


@pytest.fixture(scope="module")
def counted() -> list[dict[str, float]]:
    a = measure([(["Say something."], [text], []) for _, text, _ in COUNTS]).a
    return [{name: values[row] for name, values in a.items()} for row in range(len(COUNTS))]


@pytest.mark.parametrize("row", range(len(COUNTS)), ids=[f"{name}-{text!a:.30}" for name, text, _ in COUNTS])
def test_counts_match_a_manual_count(counted, row):
    quantity, _, count = COUNTS[row]
    assert counted[row][quantity] == count


@pytest.mark.parametrize(("quantity", "text", "ratio"), RATIOS)
def test_ratios_match_a_manual_calculation(quantity, text, ratio):
    assert measure_response(text)[quantity] == pytest.approx(ratio)


def test_every_count_of_a_text_has_a_case():
    derived = {name for name in SIDE_COUNTS if name.startswith(("last_", "mean_", "longest_", "shortest_"))}
    assert {name for name, _, _ in COUNTS} == set(SIDE_COUNTS) - derived - {"compressed_bytes"}


def test_every_word_of_a_lexicon_is_in_lower_case_so_that_it_is_found():
    assert all(word == word.lower() for words in LEXICA.values() for word in words)


def test_every_name_in_a_table_of_names_exists():
    assert set(SIDE_COUNTS) >= set(SUMMED)
    assert {f"last_{name}" for name in LAST_TURN_COUNTS} <= set(SIDE_COUNTS)
    assert {f"kind_{name}" for name in PROMPT_KINDS} <= set(PROMPT_QUANTITIES)
    assert not set(SIDE_COUNTS) & set(SIDE_RATIOS)
    assert not any(FORM_SEPARATOR in name for name in [*SIDE_COUNTS, *SIDE_RATIOS, *PROMPT_QUANTITIES])


def test_counts_are_summed_over_turns_and_kept_for_the_last():
    measured = measure_response(["one two three. four", "five."])
    expected = {"words": 5, "last_words": 1, "longest_turn_words": 4, "shortest_turn_words": 1, "mean_turn_words": 2.5}
    expected |= {"sentences": 3, "turns": 2, "last_turn_share": 5 / 24}
    assert {name: measured[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(("turns", "n_turns", "n_null"), [([None], 1, 1), ([], 0, 0), (["", None], 2, 1)])
def test_a_null_turn_is_a_turn_and_no_turns_are_none(turns: Turns, n_turns: int, n_null: int):
    measured = measure_response(turns)
    assert (measured["turns"], measured["null_turns"], measured["empty_turns"]) == (n_turns, n_null, turns.count(""))


def test_a_sentence_of_an_earlier_turn_is_repeated():
    assert measure_response(["Yes. No.", "Yes."])["repeated_sentences"] == 1
    assert measure_response(["Yes. No."])["repeated_sentences"] == 0


def test_repetition_compresses():
    repeated, varied = (measure_response(text) for text in ("the same again " * 50, "".join(map(chr, range(33, 383)))))
    assert repeated["compression_ratio"] < varied["compression_ratio"] - 0.5


@pytest.fixture(scope="module")
def kinds() -> list[dict[str, float]]:
    prompts = [prompt for prompt, _ in PROMPTS_OF_KINDS] + ["Tell the tale of rain, hills and seas."]
    measured = measure([([prompt], ["x"], ["y"]) for prompt in prompts]).prompt
    return [{name: values[row] for name, values in measured.items()} for row in range(len(prompts))]


@pytest.mark.parametrize(("row", "kind"), list(enumerate(kind for _, kind in PROMPTS_OF_KINDS)))
def test_the_kind_of_a_prompt_is_recognised(kinds, row, kind):
    assert kinds[row][f"kind_{kind}"] == 1
    assert kinds[-1][f"kind_{kind}"] == 0


def test_every_kind_of_prompt_has_a_case():
    assert {kind for _, kind in PROMPTS_OF_KINDS} == set(PROMPT_KINDS)


def test_quantities_of_the_prompt_are_summed_over_turns():
    prompt = measure([(["one two?", "three?"], ["x"], ["y"])]).prompt
    assert [prompt[name][0] for name in ("turns", "words", "question_marks", "last_words")] == [2, 3, 2, 1]
