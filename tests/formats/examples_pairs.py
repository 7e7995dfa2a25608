"""Made-up rows in the forms of pairs, some awkward, with the columns and nested types of the published files."""

from typing import Any, Final

import pyarrow as pa

Rows = list[dict[str, Any]]


def messages(*contents: Any, system: str | None = None) -> list[dict[str, Any]]:
    """Messages of a user and an assistant in turn."""
    roles = ["user", "assistant"] * len(contents)
    turns = [{"content": content, "role": role} for content, role in zip(contents, roles, strict=False)]
    return [{"content": system, "role": "system"}, *turns] if system else turns


def reply(content: Any) -> list[dict[str, Any]]:
    return [{"content": content, "role": "assistant"}]


_MESSAGES: Final = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))
_TEXT: Final = pa.string()


def _preference(prompt: Any, chosen: Any, rejected: Any, margin: float | None = None) -> dict[str, Any]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, "margin": margin}


def _helpsteer3(context: Any, preference: int | None, **columns: Any) -> dict[str, Any]:
    row = {
        "domain": "general",
        "language": "english",
        "context": context,
        "response1": "First.",
        "response2": "Second.",
        "overall_preference": preference,
        "individual_preference": [
            {"score": preference or 0, "reasoning": "It is so.", "feedback1": "", "feedback2": ""}
        ],
    }
    return {**row, **columns}


def _helpsteer2(prompt: str | None, strength: int | None, **columns: Any) -> dict[str, Any]:
    row = {
        "split": "train",
        "prompt": prompt,
        "response_1": "First.",
        "response_2": "Second.",
        "preference_strength": strength,
        "preference_statement": "One is better.",
        "preference_elaboration": "It is so.",
    }
    return {**row, **columns}


def _ultrafeedback(
    prompt: str, chosen: Any, rejected: Any, score_chosen: float | None = 8.5, score_rejected: float | None = 6.0
) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "prompt_id": "0" * 64,
        "chosen": chosen,
        "rejected": rejected,
        "messages": chosen,
        "score_chosen": score_chosen,
        "score_rejected": score_rejected,
    }


def _nectar(prompt: str, *answers: tuple[str | None, str | None, float | None]) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "answers": [{"answer": answer, "model": model, "rank": rank} for answer, model, rank in answers],
        "turns": 1,
        "num_responses": len(answers),
        "source": ["made-up"],
        "good_natured": True,
    }


def _ppe(question_id: str | None, winner: str | None, **columns: Any) -> dict[str, Any]:
    row = {
        "question_id": question_id,
        "model_a": "ant",
        "model_b": "bee",
        "winner": winner,
        "prompt": "Why?",
        "response_1": "First.",
        "response_2": "Second.",
        "language": "English",
        "conv_metadata": {"turns": 1, "sum_user_tokens": 3},
        "is_code": False,
        "hard_prompt": False,
    }
    return {**row, **columns}


def _rewardbench(number: int | None, chosen: str | None, rejected: str | None, **columns: Any) -> dict[str, Any]:
    row = {
        "prompt": "Why?",
        "chosen": chosen,
        "chosen_model": "ant",
        "rejected": rejected,
        "rejected_model": "bee",
        "subset": "made-up-easy",
        "id": number,
    }
    return {**row, **columns}


def _rewardbench2(name: str, chosen: Any, rejected: Any, **columns: Any) -> dict[str, Any]:
    row = {
        "id": name,
        "prompt": "Name a colour.",
        "chosen": chosen,
        "rejected": rejected,
        "num_correct": len(chosen or []),
        "num_incorrect": len(rejected or []),
        "models": ["ant"],
        "subset": "Ties",
        "additional_metadata": {"category": None, "index": 1.0, "models": ["ant"]},
    }
    return {**row, **columns}


#: Ten rows of each format, by its name.
EXAMPLES: Final[dict[str, Rows]] = {
    "preference": [
        _preference(messages("Why?"), reply("Because."), reply("No idea.")),
        _preference(messages("Why?", "Because.", "And then?"), reply("مرحبا\n👩‍💻"), reply('"Quoted", \\ kept'), 2.5),
        _preference(messages("Why?", system="Be brief."), reply("So."), reply("That is a long story."), 0.0),
        _preference(None, messages("Why?", "Because."), messages("Why?", "No idea."), -1.0),
        _preference([], messages("Why?", "One.", "Two?", "2"), messages("Why?", "One.", "Two?", "II")),
        _preference(messages("Why?"), messages("Why?", "Because."), messages("Why?", "")),
        _preference(messages("Why?"), reply("Same."), reply("Same.")),
        _preference(None, messages("Why?", "Because."), messages("Who?", "Nobody.")),
        _preference(messages("Why?"), messages("Who?", "Nobody."), reply("Because.")),
        _preference(messages("Why?"), reply("Because."), None),
    ],
    "helpsteer3": [
        _helpsteer3(messages("Why?"), -3),
        _helpsteer3(messages("Why?"), -1, domain="stem"),
        _helpsteer3(messages("Why?"), 0),
        _helpsteer3(messages("Pourquoi ?"), 2, domain="multilingual", language="french"),
        _helpsteer3(messages("Write it.", "In what?", "In C."), 3, domain="code", language="c"),
        _helpsteer3(messages("Why?", system="Be brief."), 1, response1="Same.", response2="Same."),
        _helpsteer3(messages("Why?"), None),
        _helpsteer3(messages("Why?"), 4),
        _helpsteer3(messages("Why?"), 1, response1=None),
        _helpsteer3([{"content": "42", "role": "tool"}], 1),
    ],
    "helpsteer2": [
        _helpsteer2("c#", -3),
        _helpsteer2("Why?", -1),
        _helpsteer2("Why?", 0),
        _helpsteer2("Why?", 1),
        _helpsteer2("Why?\n\nThe end.", 3, response_2="\tIndented\n"),
        _helpsteer2("Why?\n\n<extra_id_1>Assistant\nBecause.\n\n<extra_id_1>User\nAnd then?", 2),
        _helpsteer2("What is <extra_id_1>?", 2),
        _helpsteer2("Why?", None),
        _helpsteer2("Why?", -4),
        _helpsteer2(None, 2),
    ],
    "ultrafeedback": [
        _ultrafeedback("Why?", messages("Why?", "Because."), messages("Why?", "No idea.")),
        _ultrafeedback("How?", messages("How?", "So."), messages("How?", "Like that."), 7.0, 7.0),
        _ultrafeedback("How?", messages("How?", "So."), messages("How?", "So."), 7.0, 7.0),
        _ultrafeedback("Who?", messages("Who?", "I."), messages("Who?", "")),
        _ultrafeedback("Who?", messages("Who?", "I.", system="Rhyme."), messages("Who?", "My.", system="Rhyme.")),
        _ultrafeedback("And?", messages("A?", "a", "And?", "b"), messages("A?", "a", "And?", "c"), 10.0, 0.5),
        _ultrafeedback("Why?", messages("Why?", "Because."), messages("Why?", "No idea."), 3.0, 4.5),
        _ultrafeedback("Why?", messages("Why?", "Because."), messages("Why?", "No idea."), None),
        _ultrafeedback("Why?", messages("Why?", "Because."), messages("Why?", "Because.")),
        _ultrafeedback("Why?", messages("Why?", "Because.", "Thanks."), messages("Why?", "No idea.")),
    ],
    "nectar": [
        _nectar("\n\nHuman: Why?\n\nAssistant: ", ("Because.", "ant", 1.0), ("No idea.", "bee", 2.0)),
        _nectar("\n\nHuman: Why?\n\nAssistant: ", ("c", "cat", 3.0), ("a", "ant", 1.0), ("b", "bee", 2.0)),
        _nectar(
            "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: Why?\n\nAssistant: ", ("x", "ant", 2.0), ("y", "bee", 1.0)
        ),
        _nectar("\n\nHuman: A list:\n\n- one\n\nAssistant:", ("\n1", "ant", 1.0), ("", None, 2.0)),
        _nectar("\n\nHuman: Why?\n\nAssistant: ", ("x", "ant", 1.0), ("y", "bee", 1.0)),
        _nectar("Why?", ("x", "ant", 1.0), ("y", "bee", 7.0)),
        _nectar("\n\nHuman: Why?\n\nAssistant: ", ("x", "ant", 1.0), ("x", "bee", 2.0)),
        _nectar("\n\nHuman: Why?\n\nAssistant: ", ("x", "ant", 1.0)),
        _nectar("\n\nHuman: Why?\n\nAssistant: ", ("x", "ant", 1.0), ("y", "bee", None)),
        _nectar("\n\nHuman: Why?\n\nAssistant: ", ("x", "ant", 1.0), (None, "bee", 2.0)),
    ],
    "ppe": [
        _ppe("q0", "model_a"),
        _ppe("q1", "model_b"),
        _ppe("q2", "tie"),
        _ppe("q3", "tie (bothbad)"),
        _ppe("q4", "model_a", prompt="چرا؟", language="Persian"),
        _ppe("q5", "model_b", response_1="Same.", response_2="Same.", model_b=None),
        _ppe("q6", None),
        _ppe("q7", "model_c"),
        _ppe("q8", "model_a", response_2=""),
        _ppe(None, "model_a"),
    ],
    "rewardbench": [
        _rewardbench(0, "a0", "b0"),
        _rewardbench(1, "a1", "b1"),
        _rewardbench(2, "a2", "b2", subset="made-up-hard"),
        _rewardbench(3, "a3", "b3", chosen_model=None),
        _rewardbench(4, "a4", "b4", prompt="Two\n\nparagraphs"),
        _rewardbench(0, "a5", "b5", subset="made-up-hard"),
        _rewardbench(6, "[1, 2]", "[]"),
        _rewardbench(7, "Same.", "Same."),
        _rewardbench(8, "a8", ""),
        _rewardbench(None, "a9", "b9"),
    ],
}

#: Other columns or types of these formats, by format and variant.
VARIANTS: Final[dict[tuple[str, str], Rows]] = {
    ("preference", "text"): [
        _preference("The sky is", " blue.", " green."),
        _preference("\n\nHuman: Why?\n\nAssistant:", " Because.", " No idea.", 1.5),
        _preference("Human: a species?", "Yes", "No"),
        _preference("", "Because.", "No idea."),
    ],
    ("preference", "implicit text"): [
        {
            "chosen": "\n\nHuman: Why?\n\nAssistant: Because.\n\nHuman: And?\n\nAssistant: So.",
            "rejected": "\n\nHuman: Why?\n\nAssistant: Because.\n\nHuman: And?\n\nAssistant: Or.",
        },
        {"chosen": "\n\nHuman: Why?\n\nAssistant: Because.", "rejected": "\n\nHuman: Why?\n\nAssistant: "},
        {"chosen": "The sky is blue.", "rejected": "The sky is green."},
        {
            "chosen": "\n\nHuman: Why?\n\nAssistant: Because.\n\nHuman: And?\n\nAssistant: So.",
            "rejected": "\n\nHuman: Why?\n\nAssistant: Who asks?\n\nHuman: I.\n\nAssistant: So.",
        },
        {
            "chosen": "\n\nHuman: Why?\n\nAssistant: Because.\n\nHuman: And?",
            "rejected": "\n\nHuman: Why?\n\nAssistant: No",
        },
    ],
    ("ultrafeedback", "implicit prompt"): [
        {
            "chosen": messages("Why?", "Because."),
            "rejected": messages("Why?", "No idea."),
            "score_chosen": 9.0,
            "score_rejected": 8.0,
        },
        {
            "chosen": reply("Because."),
            "rejected": reply("No idea."),
            "score_chosen": 9.0,
            "score_rejected": 8.0,
        },
    ],
    ("rewardbench", "second"): [
        _rewardbench2("12", ["Red"], ["Car", "", "No"], subset="Factuality"),
        _rewardbench2("ref:1", ["Red", "Blue"], ["Car", "Dog"]),
        _rewardbench2("tied:1", ["Red"], ["Red", "Dog"]),
        _rewardbench2("13", ["Red"], []),
        _rewardbench2("14", None, ["Dog"]),
    ],
}

_PREFERENCE: Final = {"prompt": _MESSAGES, "chosen": _MESSAGES, "rejected": _MESSAGES, "margin": pa.float64()}
_SCORES: Final = {"score_chosen": pa.float64(), "score_rejected": pa.float64()}
_SCHEMAS: Final[dict[tuple[str, str], dict[str, pa.DataType]]] = {
    ("preference", ""): _PREFERENCE,
    ("preference", "text"): {**dict.fromkeys(("prompt", "chosen", "rejected"), _TEXT), "margin": pa.float64()},
    ("preference", "implicit text"): {"chosen": _TEXT, "rejected": _TEXT},
    ("helpsteer3", ""): {
        "domain": _TEXT,
        "language": _TEXT,
        "context": _MESSAGES,
        "response1": _TEXT,
        "response2": _TEXT,
        "overall_preference": pa.int64(),
        "individual_preference": pa.list_(
            pa.struct([("score", pa.int64()), ("reasoning", _TEXT), ("feedback1", _TEXT), ("feedback2", _TEXT)])
        ),
    },
    ("helpsteer2", ""): {
        **dict.fromkeys(("split", "prompt", "response_1", "response_2"), _TEXT),
        "preference_strength": pa.int64(),
        **dict.fromkeys(("preference_statement", "preference_elaboration"), _TEXT),
    },
    ("ultrafeedback", ""): {
        **dict.fromkeys(("prompt", "prompt_id"), _TEXT),
        **dict.fromkeys(("chosen", "rejected", "messages"), _MESSAGES),
        **_SCORES,
    },
    ("ultrafeedback", "implicit prompt"): {"chosen": _MESSAGES, "rejected": _MESSAGES, **_SCORES},
    ("nectar", ""): {
        "prompt": _TEXT,
        "answers": pa.list_(pa.struct([("answer", _TEXT), ("model", _TEXT), ("rank", pa.float64())])),
        "turns": pa.int64(),
        "num_responses": pa.int64(),
        "source": pa.list_(_TEXT),
        "good_natured": pa.bool_(),
    },
    ("ppe", ""): {
        **dict.fromkeys(("question_id", "model_a", "model_b", "winner"), _TEXT),
        **dict.fromkeys(("prompt", "response_1", "response_2", "language"), _TEXT),
        "conv_metadata": pa.struct([("turns", pa.int64()), ("sum_user_tokens", pa.int64())]),
        "is_code": pa.bool_(),
        "hard_prompt": pa.bool_(),
    },
    ("rewardbench", ""): {
        **dict.fromkeys(("prompt", "chosen", "chosen_model", "rejected", "rejected_model", "subset"), _TEXT),
        "id": pa.int64(),
    },
    ("rewardbench", "second"): {
        **dict.fromkeys(("id", "prompt"), _TEXT),
        **dict.fromkeys(("chosen", "rejected"), pa.list_(_TEXT)),
        **dict.fromkeys(("num_correct", "num_incorrect"), pa.int64()),
        "models": pa.list_(_TEXT),
        "subset": _TEXT,
        "additional_metadata": pa.struct([("category", _TEXT), ("index", pa.float64()), ("models", pa.list_(_TEXT))]),
    },
}
#: Types of the columns in Parquet.
SCHEMAS: Final = {name: pa.schema(list(columns.items())) for name, columns in _SCHEMAS.items()}
