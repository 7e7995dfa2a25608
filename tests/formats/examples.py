"""Ten rows of each published set and of each form of one's own, some of them as they go wrong in real files."""

import json
from typing import Any

Row = dict[str, Any]


def talk(*texts: Any, **other: Any) -> list[Row]:
    """Messages of the user and the assistant in turn."""
    return [{"role": "assistant" if i % 2 else "user", "content": text, **other} for i, text in enumerate(texts)]


def block(text: str | None, **other: Any) -> Row:
    return {"type": "text", "text": text, "image": None, "mimeType": None, **other}


IMAGE = block(None, type="image", image="https://example.org/cat.png", mimeType="image/png")

COMPETITION = [
    {
        "id": number,
        "model_a": "ant",
        "model_b": "bee",
        "prompt": prompt,
        "response_a": '["Yes.", null]',
        "response_b": '["No.", ""]',
        "winner_model_a": int(number % 3 == 0),
        "winner_model_b": int(number % 3 == 1),
        "winner_tie": int(number % 3 == 2),
    }
    for number, prompt in enumerate(
        [r'["Is it \ud83d\ude00?", "Sure?"]', '["Why?", null]', '["¿Qué?", ""]'] * 3 + ["[]"]
    )
]

PLAIN = [
    {
        "id": f"row-{number}",
        "prompt": prompt,
        "response_a": "It runs to the sea.",
        "response_b": ["It runs.", None][: 1 + isinstance(prompt, list)],
        "winner": winner,
        "language": "English",
    }
    for number, (prompt, winner) in enumerate(
        [("Where does the river run?", "model_a"), (["Wohin?", "Warum?"], "tie")] * 4 + [("川？", "b"), ("", "b")]
    )
]

_VOTE_33K = {
    "model_a": "vicuna-13b",
    "model_b": "koala-13b",
    "winner": "model_a",
    "judge": "arena_user_1",
    "turn": 1,
    "anony": True,
    "language": "English",
    "tstamp": 1682351591.1322,
    "openai_moderation": {"categories": {"hate": False}, "category_scores": {"hate": 1e-07}, "flagged": False},
}
ARENA_33K = [
    {"question_id": f"{number:032x}", "conversation_a": a, "conversation_b": b, **_VOTE_33K, **other}
    for number, (a, b, other) in enumerate(
        [
            (talk("Hi", "Hello!"), talk("Hi", "Good day."), {}),
            (talk("Hi", "Hello!"), talk("Hi", "Good day."), {"winner": "model_b", "judge": "arena_user_2"}),
            (talk("q1", "a1", "q2", "a2"), talk("q1", "b1", "q2", "b2"), {"winner": "tie", "turn": 2}),
            (talk("¿Qué?", "日本 👩‍💻"), talk("¿Qué?", "Né"), {"winner": "tie (bothbad)", "language": "Spanish"}),
            (talk("q", None), talk("q", "b"), {"winner": "model_b"}),
            (talk("q", ""), talk("q", "b"), {"winner": "model_b"}),
            (talk("q", "a"), talk("other", "b"), {}),
            (talk("q", "a"), talk("q", "b"), {"judge": None, "tstamp": None}),
            (talk("q", "a"), talk("q"), {"winner": "model_c"}),
            (talk("q", "a"), talk("q"), {}),
        ]
    )
]

_VOTE_MT = {"model_a": "gpt-4", "model_b": "llama-13b", "winner": "model_a", "judge": "expert_0", "turn": 1}
_MT = {"conversation_a": talk("q1", "a1", "q2", "a2"), "conversation_b": talk("q1", "b1", "q2", "b2")}
MT_BENCH = [
    {"question_id": 81, **_MT, **_VOTE_MT, **other}
    for other in (
        {},
        {"turn": 2},
        {"judge": "expert_1", "winner": "tie"},
        {"judge": "author_2", "winner": "model_b"},
        {"model_b": "alpaca-13b"},
        {"question_id": 82, "judge": "gpt4_pair", "winner": "tie (inconsistent)"},
        {"question_id": 82, "conversation_b": talk("q1", "b1", "else", "b2")},
        {"question_id": 82, "conversation_b": talk("q1", "b1", "else", "b2"), "turn": 2},
        {"question_id": 83, "turn": 0},
        {"question_id": 83, "judge": None},
    )
]


def tag(**flags: bool) -> Row:
    return {
        "creative_writing_v0.1": {"creative_writing": flags.get("creative_writing", False), "score": "no"},
        "criteria_v0.1": {"complexity": flags.get("complexity", False), "real_world": flags.get("real_world", False)},
        "if_v0.1": {"if": flags.get("if_", False), "score": 1},
        "math_v0.1": {"math": flags.get("math", False)},
    }


def _talk_100k(*texts: Any) -> list[Row]:
    return talk(*texts, num_tokens=3)


_VOTE_100K = {
    "model_a": "gpt-4o",
    "model_b": "gemini-1.5-pro",
    "winner": "model_a",
    "judge_hash": "c0ffee",
    "turn": 1,
    "anony": True,
    "language": "English",
    "tstamp": 1718000000.5,
    "is_code": False,
    "is_refusal": False,
    "dedup_tag": {"high_freq": False, "sampled": True},
    "category_tag": tag(),
}
ARENA_100K = [
    {"question_id": f"{number:032x}", "conversation_a": a, "conversation_b": b, **_VOTE_100K, **other}
    for number, (a, b, other) in enumerate(
        [
            (_talk_100k("q", "a"), _talk_100k("q", "b"), {}),
            (_talk_100k("q", "a"), _talk_100k("q", "b"), {"category_tag": tag(math=True, complexity=True)}),
            (_talk_100k("q", "a"), _talk_100k("q", "b"), {"category_tag": tag(math=True), "is_code": True}),
            (_talk_100k("hi", "a"), _talk_100k("hi", "b"), {"dedup_tag": {"high_freq": True, "sampled": True}}),
            (_talk_100k("hi", "a"), _talk_100k("hi", "b"), {"dedup_tag": {"high_freq": True, "sampled": False}}),
            (_talk_100k("q", "a"), _talk_100k("q", "b"), {"winner": "tie (bothbad)", "language": "Chinese"}),
            (_talk_100k("q", "a"), _talk_100k("q", "b"), {"winner": "tie", "judge_hash": None}),
            (_talk_100k("q", None), _talk_100k("q", ""), {"winner": "model_b", "dedup_tag": None}),
            (_talk_100k("q", "a"), _talk_100k("Q", "b"), {}),
            (_talk_100k("q", "a"), _talk_100k("q", "b"), {"winner": None, "category_tag": None}),
        ]
    )
]

_VOTE_140K = {
    "model_a": "claude-opus-4",
    "model_b": "o3",
    "winner": "model_a",
    "evaluation_session_id": "session-1",
    "evaluation_order": 1,
    "language": "en",
    "is_code": False,
    "category_tag": tag(),
}


def _talk_140k(*texts: Any) -> list[Row]:
    contents = [text if isinstance(text, list) else [block(text)] for text in texts]
    return talk(*contents, num_tokens=7)


ARENA_140K = [
    {"id": f"00000000-0000-4000-8000-{number:012}", "conversation_a": a, "conversation_b": b, **_VOTE_140K, **other}
    for number, (a, b, other) in enumerate(
        [
            (_talk_140k("q", "a"), _talk_140k("q", "b"), {}),
            (_talk_140k("q", "a"), _talk_140k("q", "b"), {"evaluation_order": 2, "winner": "both_bad"}),
            (
                _talk_140k("q", [block("a"), block("more")]),
                _talk_140k("q", "b"),
                {"evaluation_session_id": "s-2"},
            ),
            (_talk_140k([block("q"), IMAGE], "a"), _talk_140k([block("q"), IMAGE], "b"), {}),
            (_talk_140k("q", "a"), _talk_140k("q", [IMAGE]), {}),
            (_talk_140k("q", []), _talk_140k("q", ""), {"winner": "tie"}),
            (_talk_140k("q", "日本"), _talk_140k("q", None), {"language": "ja", "is_code": True}),
            (_talk_140k("q1", "a1", "q2", "a2"), _talk_140k("q1", "b1", "q2", "b2"), {"winner": "model_b"}),
            (_talk_140k("q", "a"), _talk_140k("q2", "b"), {}),
            (_talk_140k("q", "a"), _talk_140k("q", "b"), {"category_tag": tag(creative_writing=True, if_=True)}),
        ]
    )
]

_ABSENT = ("evaluation_session_id", "category_tag", "is_code")
EXPERT_5K = [
    {
        **{name: value for name, value in row.items() if name not in _ABSENT},
        **{name: json.dumps(row[name], ensure_ascii=False) for name in ("conversation_a", "conversation_b")},
        "occupational_tags": {"education": number == 0, "travel": number < 2},
    }
    for number, row in enumerate(ARENA_140K)
]

_FUNCTION = {"name": "look_up", "arguments": "{}"}
_CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": _FUNCTION}]}
_SYSTEM = {"role": "system", "content": "Be brief."}
MESSAGES = [
    {"id": f"m-{number}", "conversation_a": a, "conversation_b": b, "winner": "a", **other}
    for number, (a, b, other) in enumerate(
        [
            (talk("q", "a"), talk("q", "b"), {"model_a": "ant", "model_b": "bee", "judge": "ann"}),
            ([_SYSTEM, *talk("q", "a")], [_SYSTEM, *talk("q", "b")], {}),
            ([_SYSTEM, *talk("q", "a")], talk("q", "b"), {}),
            (talk("q", [{"type": "text", "text": "a"}]), talk("q", "b"), {"winner": "tie"}),
            (talk("q", "a") + talk("q", "more")[1:], talk("q", "b"), {"winner": "b"}),
            ([*talk("q"), _CALL, {"role": "tool", "content": "42", "tool_call_id": "1"}], talk("q", "b"), {}),
            (talk("q1", "a1", "q2"), talk("q1", "b1", "q2"), {"winner": "both_bad"}),
            (talk("q1"), talk("q1"), {"winner": None}),
            ([{"role": "narrator", "content": "Once"}], talk("q", "b"), {}),
            ([{"role": "assistant", "content": "Hello, you."}, *talk("q", "a")], talk("q", "b"), {}),
        ]
    )
]

EXAMPLES: dict[str, list[Row]] = {
    "competition": COMPETITION,
    "plain": PLAIN,
    "arena_33k": ARENA_33K,
    "mt_bench": MT_BENCH,
    "arena_100k": ARENA_100K,
    "arena_140k": ARENA_140K,
    "expert_5k": EXPERT_5K,
    "messages": MESSAGES,
}
