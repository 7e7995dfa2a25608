"""What speaks for a response: contributions of the features to the log-odds of A against B, in words."""

from typing import Final, NamedTuple

from arena_preference.battles import CONSENSUS, FloatArray
from arena_preference.symmetry import FORM_SEPARATOR, is_antisymmetric

from .results import Reason, Side

# Features that say much the same count as one reason, worded by the strongest of them. A quantity that is in no group
# is its own.
_GROUPS: Final[dict[str, str]] = {
    name: group
    for group, names in {
        "length": """characters words unique_words sentences paragraphs lines compressed_bytes long_words new_words
            last_characters last_words last_sentences last_lines longest_turn_words shortest_turn_words mean_turn_words
            commas function_word_share root_type_token_ratio type_token_ratio compression_ratio last_turn_share""",
        "formatting": """headers bold italics bullets numbered_items nested_items list_items formatting table_rows rules
            last_bullets last_numbered_items list_item_share line_words paragraph_words""",
        "code": "code_fences code_characters inline_code code_share",
        "repetition": """repeated_trigrams repeated_lines repeated_sentences repeated_bigram_share
            repeated_trigram_share repeated_line_share repeated_sentence_share""",
        "prompt": """prompt_word_jaccard prompt_words_covered prompt_terms_covered prompt_numbers_covered
            prompt_bigrams_covered prompt_trigrams_covered words_from_prompt bigrams_from_prompt trigrams_from_prompt
            tfidf_prompt_cosine lsa_prompt_cosine""",
        "relevance": """expected_words most_expected_words stray_sentences sentence_relevance sentence_relevance_spread
            word_relevance""",
        "readability": "word_length sentence_words long_word_share syllables_per_word flesch_reading_ease",
        "refusal": "refusals last_refusals apologies last_apologies ai_self",
        "numbers": "numbers digits digit_share numbers_rate",
        "hedging": "hedges hedges_rate",
        "unfinished": "unfinished_turns last_unfinished_turns odd_fences",
        "consensus": f"{CONSENSUS}coverage {CONSENSUS}support {CONSENSUS}number",
        "letters": "capitals capital_share capitalised_words capitalised_share acronyms letter_share",
        "language": "script_mismatch language_mismatch non_ascii non_ascii_share",
    }.items()
    for name in names.split()
}
# Quantities as something of which a response has more; without an entry, the name itself is such a noun.
_PHRASES: Final[dict[str, str]] = {
    "ai_self": "mentions of being an AI",
    "asked_words_missed": "distance from the number of words asked for",
    "bigrams_from_prompt": "phrases taken from the prompt",
    "bold": "bold text",
    "bullets": "bullet points",
    "capitals": "capital letters",
    "closing_offers": "offers of more help",
    "code_characters": "code",
    "code_fences": "code blocks",
    "compressed_bytes": "text that does not repeat itself",
    "compression_ratio": "variety",
    "concessions": "concessions of an error",
    "emb_prompt_cosine": "similarity to the prompt in meaning",
    "enthusiasm": "enthusiastic words",
    "expected_words": "of the words that such a prompt makes one expect",
    "first_person": "words in the first person",
    "first_person_plural": "words in the first person plural",
    "flesch_reading_ease": "readability",
    "formatting": "lists, headings and bold text",
    "function_word_share": "function words for its length",
    "headers": "headings",
    "italics": "italic text",
    "language_mismatch": "text in another language than the prompt",
    "last_turn_share": "of its text in the last turn",
    "latex": "formulas",
    "line_words": "words per line",
    "list_item_share": "of its lines in lists",
    "longest_turn_words": "words in its longest turn",
    "lsa_prompt_cosine": "similarity to the prompt in wording",
    "mean_turn_words": "words per turn",
    "most_expected_words": "of the words that such a prompt makes one expect",
    "nested_items": "nested list items",
    "new_words": "words that are not in the prompt",
    "non_ascii": "characters beyond ASCII",
    "null_turns": "turns without a response",
    "odd_fences": "code blocks left open",
    "paragraph_words": "words per paragraph",
    "politeness": "polite phrases",
    "prompt_bigrams_covered": "of the phrases of the prompt",
    "prompt_numbers_covered": "of the numbers of the prompt",
    "prompt_terms_covered": "of the terms of the prompt",
    "prompt_trigrams_covered": "of the phrases of the prompt",
    "prompt_word_jaccard": "words in common with the prompt",
    "prompt_words_covered": "of the words of the prompt",
    "quotes": "quotation marks",
    "repeated_bigram_share": "repeated phrases for its length",
    "repeated_line_share": "repeated lines for its length",
    "repeated_sentence_share": "repeated sentences for its length",
    "repeated_trigram_share": "repeated phrases for its length",
    "repeated_trigrams": "repeated phrases",
    "role_leaks": "traces of a chat template",
    "root_type_token_ratio": "variety of words",
    "rules": "horizontal rules",
    "script_mismatch": "text in another script than the prompt",
    "second_person": "words that address the reader",
    "sentence_relevance": "relevance to the prompt, sentence by sentence",
    "sentence_relevance_spread": "variation in the relevance of its sentences",
    "sentence_words": "words per sentence",
    "shortest_turn_words": "words in its shortest turn",
    "steps": "numbered steps",
    "stray_sentences": "sentences off the topic",
    "syllables_per_word": "syllables per word",
    "tfidf_prompt_cosine": "similarity to the prompt in wording",
    "trigrams_from_prompt": "phrases taken from the prompt",
    "type_token_ratio": "variety of words",
    "unfinished_turns": "turns that end unfinished",
    "unique_words": "distinct words",
    "word_length": "letters per word",
    "word_relevance": "relevance to the prompt, word by word",
    "words_from_prompt": "words taken from the prompt",
    f"{CONSENSUS}coverage": "of what the other responses say",
    f"{CONSENSUS}number": "agreement with the last numbers of the other responses",
    f"{CONSENSUS}support": "text that other responses support",
}
# Endings of names that relate a count to the length of a response.
_PER_LENGTH: Final = {
    "capital_share": "capitals",
    "capitalised_share": "capitalised_words",
    "code_share": "code_characters",
    "comma_rate": "commas",
}
# Phrases of which there is less, not fewer.
_UNCOUNTED: Final = (
    "agreement", "bold", "code for", "distance", "emoji", "inline code", "italic", "of its text", "of what",
    "readability", "relevance", "similarity", "text", "variation", "variety",
)  # fmt: skip
# The reasons of models that read the texts themselves.
_MODELS: Final[dict[str, str]] = {
    "reward": "the reward model scores {side} higher",
    "cross_encoder": "the cross encoder prefers {side}",
    "lsa": "{side}'s spelling and vocabulary are more like those of preferred responses",
    "emb": "{side}'s meaning, as the encoder sees it, is more like that of preferred responses",
}
_LENGTHS: Final = frozenset({"characters", "words", "compressed_bytes", "last_characters", "last_words"})


class Explained(NamedTuple):
    """Features of one battle with their contributions to the log-odds of A against B."""

    names: list[str]
    values: FloatArray
    contributions: FloatArray


def list_reasons(explained: Explained, n_reasons: int) -> list[Reason]:
    """The groups of features that contribute most, the largest first.

    Features that are the same for both sides are left out: they change how much the others count.
    """
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(explained.names):
        if is_antisymmetric(name):
            groups.setdefault(_find_group(_get_quantity(name)), []).append(index)
    reasons = []
    for members in groups.values():
        total = float(explained.contributions[members].sum())
        differing = [index for index in members if explained.values[index]]
        # The strongest of those that point where the group points; without any, there is nothing to say.
        agreeing = [index for index in differing if explained.contributions[index] * total > 0]
        if not agreeing:
            continue
        strongest = max(agreeing, key=lambda index: abs(explained.contributions[index]))
        side: Side = "a" if total > 0 else "b"
        text = _describe(explained.names[strongest], explained.values[strongest], side)
        reasons.append(Reason(text, side, abs(total), explained.names[strongest]))
    return sorted(reasons, key=lambda reason: -reason.contribution)[:n_reasons]


def _get_quantity(feature: str) -> str:
    return feature.rpartition(FORM_SEPARATOR)[0]


def _find_group(quantity: str) -> str:
    model = quantity.rstrip("0123456789").rstrip("_")
    return _GROUPS.get(quantity, model if model in _MODELS else quantity)


def _describe(feature: str, value: float, side: Side) -> str:
    """A sentence about a response; ``value`` is that of A less that of B, or their normalised difference."""
    quantity, _, form = feature.rpartition(FORM_SEPARATOR)
    this, more = side.upper(), "A" if value > 0 else "B"
    if (group := _find_group(quantity)) in _MODELS:
        return _MODELS[group].format(side=this)
    is_alone = form == "reldiff" and abs(value) == 1
    ratio = f"{(1 + abs(value)) / (1 - abs(value)):.2g} times" if form == "reldiff" and not is_alone else ""
    if quantity in _LENGTHS and ratio:
        return f"{more} is {ratio} as long"
    where = " in the last turn" if quantity.startswith("last_") and quantity not in _PHRASES else ""
    phrase = _name(quantity)
    any_of, none_of = ("any ", "none ") if phrase.startswith("of ") else ("", "no ")
    if this == more:
        amount = f" ({ratio})" if ratio else ""
        return f"only {this} has {any_of}{phrase}{where}" if is_alone else f"{this} has more {phrase}{where}{amount}"
    fewer = "less" if phrase == "code" or phrase.startswith(_UNCOUNTED) else "fewer"
    return f"{this} has {none_of if is_alone else f'{fewer} '}{phrase}{where}"


def _name(quantity: str) -> str:
    """What a response has more of where the quantity is greater."""
    for name in (quantity, quantity.removeprefix("last_")):
        if name in _PHRASES:
            return _PHRASES[name]
    count = _PER_LENGTH.get(quantity) or quantity.removesuffix("_rate").removesuffix("_share")
    if count != quantity:
        plural = count if count in _PHRASES or count.endswith("s") or count == "non_ascii" else f"{count}s"
        return f"{_name(plural)} for its length"
    return quantity.removeprefix("last_").replace("_", " ")
