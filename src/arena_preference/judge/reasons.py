"""What speaks for a response: contributions of the features to the log-odds of A against B, in words."""

from typing import Final, NamedTuple

import pandas as pd
from catboost import CatBoost, Pool

from arena_preference.battles import CONSENSUS, PREFERS_A, PREFERS_B, FloatArray
from arena_preference.symmetry import FORM_SEPARATOR, is_antisymmetric, swap_features

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
# Quantities of a name that is no noun in the plural, as something of which a response has more.
_PHRASES: Final[dict[str, str]] = {
    "ai_self": "mentions of being an AI",
    "asked_words_missed": "distance from the number of words asked for",
    "bold": "bold text",
    "capital_share": "capital letters for its length",
    "capitalised_share": "capitalised words for its length",
    "code_characters": "code",
    "code_share": "code for its length",
    "concessions": "concessions of an error",
    "digit_share": "digits for its length",
    "emoji": "emoji",
    "expected_words": "of the words that such a prompt makes one expect",
    "first_person": "first person",
    "first_person_plural": "use of 'we'",
    "flesch_reading_ease": "readability (Flesch)",
    "formatting": "lists, headings and bold text",
    "hedges_rate": "hedges for its length",
    "italics": "italics",
    "language_mismatch": "of another language than the prompt",
    "latex": "formulas",
    "letter_share": "letters for its length",
    "line_words": "words per line",
    "list_item_share": "of its lines in lists",
    "long_word_share": "long words for its length",
    "most_expected_words": "of the words that such a prompt makes one expect",
    "non_ascii": "characters beyond ASCII",
    "non_ascii_share": "characters beyond ASCII for its length",
    "odd_fences": "code blocks left open",
    "paragraph_words": "words per paragraph",
    "politeness": "polite phrases",
    "prompt_numbers_covered": "of the numbers of the prompt",
    "prompt_terms_covered": "of the terms of the prompt",
    "prompt_word_jaccard": "words in common with the prompt",
    "prompt_words_covered": "of the words of the prompt",
    "role_leaks": "traces of a chat template",
    "script_mismatch": "of another script than the prompt",
    "second_person": "second person",
    "sentence_relevance": "relevance to the prompt, sentence by sentence",
    "sentence_relevance_spread": "variation in the relevance of its sentences",
    "sentence_words": "words per sentence",
    "stray_sentences": "sentences off the topic",
    "syllables_per_word": "syllables per word",
    "unfinished_turns": "turns that end unfinished",
    "word_length": "letters per word",
    "word_relevance": "relevance to the prompt, word by word",
    f"{CONSENSUS}coverage": "of what the other responses say",
    f"{CONSENSUS}number": "other responses that end with the same number",
    f"{CONSENSUS}support": "of it said by the other responses, too",
}
# The reasons of models that read the texts themselves.
_MODELS: Final[dict[str, str]] = {
    "bow_side": "{side}'s words and phrases are more like those of preferred responses",
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


def compute_contributions(model: CatBoost, features: pd.DataFrame) -> Explained:
    """SHAP values (Lundberg et al., 2018) of one battle, averaged over both orders, in which they change their signs.

    Args:
        model: The preference model.
        features: One row with the features of the model.

    Returns:
        The contributions add up to the difference of the logits of A and B.
    """
    features = features[model.feature_names_]
    both = pd.concat([features, swap_features(features)], ignore_index=True)
    # They leave out the scale of the model, which is its temperature.
    scale, _ = model.get_scale_and_bias()
    shap = scale * model.get_feature_importance(Pool(both), type="ShapValues")
    original, swapped = shap[:, PREFERS_A] - shap[:, PREFERS_B]
    contributions = (original - swapped)[:-1] / 2
    return Explained(list(model.feature_names_), features.iloc[0].to_numpy(dtype=float), contributions)


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


def _describe(feature: str, value: float, side: str) -> str:
    """A sentence on one feature; ``value`` is that of A less that of B, or their normalised difference."""
    quantity, _, form = feature.rpartition(FORM_SEPARATOR)
    if (group := _find_group(quantity)) in _MODELS:
        return _MODELS[group].format(side=side.upper())
    more = "A" if value > 0 else "B"
    ratio = (1 + abs(value)) / (1 - abs(value)) if form == "reldiff" and abs(value) < 1 else None
    if quantity in _LENGTHS and ratio is not None:
        return f"{more} is {_format_ratio(ratio)} as long"
    phrase = _PHRASES.get(quantity) or _PHRASES.get(quantity.removeprefix("last_"))
    phrase = phrase or quantity.removeprefix("last_").replace("_rate", " for its length").replace("_", " ")
    where = " in the last turn" if quantity.startswith("last_") else ""
    if form == "reldiff" and ratio is None:
        return f"only {more} has {phrase.removeprefix('of ')}{where}"
    amount = "" if ratio is None else f" ({_format_ratio(ratio)})"
    return f"{more} has more {phrase}{where}{amount}"


def _format_ratio(ratio: float) -> str:
    return f"{ratio:.2g} times" if ratio < 10 else f"{ratio:.0f} times"
