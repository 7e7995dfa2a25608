r"""Regular expressions and word lists.

Patterns are in Rust's syntax, for Polars, and use the ASCII word boundary ``(?-u:\b)``: on text with non-ASCII letters
the Unicode one sends the regex engine to its slowest path. Phrases and word lists are for text in lower case.
"""

from collections.abc import Mapping
from typing import Final

_B: Final = r"(?-u:\b)"
_APOSTROPHE: Final = "['’]"


def _any_of(*phrases: str) -> str:
    return f"{_B}(?:{'|'.join(phrases)}){_B}"


_UNSPACED: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}"
#: A run of letters, marks and digits with inner apostrophes; in scripts without spaces, each character.
WORD: Final = rf"[{_UNSPACED}]|[[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]+(?:{_APOSTROPHE}[a-z]+)*"
LINE: Final = r"\S[^\n]*"
SENTENCE_END: Final = r"""[.!?…]["'”’)\]*_]*(?:\s|$)|[。！？]"""
SENTENCE: Final = rf"\S[^\n]*?(?:{SENTENCE_END}|\n|$)"
LETTER: Final = r"\p{L}"
NO_WORD_CHARACTER: Final = r"[^\p{L}\p{M}\p{N}]+"
#: The end of a text that was not truncated.
FINISHED: Final = r"""(?:[.!?…。！？)\]}"'”’»`*|>~）」】]|https?://\S+)\s*$"""
NUMBER: Final = r"[0-9]+(?:[.,][0-9]+)*"
_INDENT: Final = r"(?m)^[ \t]*"
_BULLET: Final = "[-*+•]"
_ITEM_NUMBER: Final = "[0-9]{1,3}[.)]"
CODE_FENCE: Final = rf"{_INDENT}```"
CODE_BLOCK: Final = r"(?s)```.*?(?:```|$)"
_LATEX_COMMANDS: Final = "frac|sqrt|sum|int|begin|cdot|times|text|left|pi|alpha|beta|boxed"

#: Classes of single characters to count.
CHARACTERS: Final[Mapping[str, str]] = {
    "letters": LETTER,
    "digits": "[0-9]",
    "capitals": r"\p{Lu}",
    "non_ascii": r"[^\x00-\x7F]",
    "emoji": r"[\x{1F000}-\x{1FAFF}\x{2600}-\x{27BF}]",
    "quotes": '["“”„«»]',
    "question_marks": "[?？]",
    "exclamation_marks": "[!！]",
    "parentheses": "[(（]",
    "commas": "[,，、]",
    "colons": "[:：]",
    "semicolons": "[;；]",
    "symbols": r"[$%&+=<>^~|\\/{}\[\]#@_]",
    "control_characters": r"[\x00-\x08\x0B-\x1F\x7F\x{FFFD}]",
}

#: Formatting to count.
TEXT_PATTERNS: Final[Mapping[str, str]] = {
    "headers": r"(?m)^ {0,3}#{1,6}[ \t]+\S",
    "bold": r"\*\*[^*\n]+\*\*|__[^_\n]+__",
    "italics": r"(?:^|[^*\w])\*[^*\s][^*\n]*\*(?:[^*]|$)",
    "bullets": rf"{_INDENT}{_BULLET}[ \t]+\S",
    "numbered_items": rf"{_INDENT}{_ITEM_NUMBER}[ \t]+\S",
    "nested_items": rf"(?m)^(?:[ ]{{2,}}|\t+)(?:{_BULLET}|{_ITEM_NUMBER})[ \t]+\S",
    "code_fences": CODE_FENCE,
    "inline_code": r"(?:^|[^`])`[^`\n]+`",
    "table_rows": rf"{_INDENT}\|.*\|[ \t]*$",
    "links": rf"https?://|{_B}www\.",
    # A single pair of dollar signs is more often two prices than a formula.
    "latex": rf"\$\$|\\\(|\\\[|\\(?:{_LATEX_COMMANDS}){_B}|\$[^$\n]*[\\^_=][^$\n]*\$",
    "block_quotes": rf"{_INDENT}>",
    "rules": rf"{_INDENT}(?:-{{3,}}|\*{{3,}}|_{{3,}})[ \t]*$",
    "numbers": NUMBER,
    "capitalised_words": rf"{_B}[A-Z][a-z]",
    "acronyms": rf"{_B}[A-Z]{{2,}}{_B}",
    "dashes": "[–—]| - ",
    "ellipses": r"\.\.\.|…",
}

_NOT_ABLE: Final = f"cannot|can{_APOSTROPHE}?t|can not|won{_APOSTROPHE}t|will not|must decline|am unable|am not able to"
#: Syllables and phrases to count in lower case.
LOWER_PATTERNS: Final[Mapping[str, str]] = {
    # Runs of vowels, an approximation.
    "syllables": "[aeiouy]+",
    "refusals": rf"(?:i (?:{_NOT_ABLE}|do not have|don{_APOSTROPHE}t have)"
    rf"|i{_APOSTROPHE}m (?:unable|not able|afraid)"
    rf"|(?:cannot|can{_APOSTROPHE}t|unable to|not able to) (?:assist|help|provide|fulfill|comply|generate)"
    r"|against my (?:programming|guidelines|policy)|(?:not appropriate|inappropriate) (?:to|for me)"
    rf"|as an ai[^.]{{0,80}} (?:cannot|can{_APOSTROPHE}t))",
    "apologies": _any_of("sorry", "apologi[sz]e", "apolog(?:y|ies)", "regret", "my mistake", "pardon me"),
    "ai_self": r"as an? (?:large |ai )?(?:ai|language model|assistant)|language model"
    rf"|i(?:{_APOSTROPHE}m| am) an ai|ai (?:assistant|model)|openai",
    "politeness": _any_of("please|thanks?|welcome|feel free|happy to|glad to|let me know|hope (?:this|that|it) helps"),
    "eager_openings": rf"^\s*(?:sure|certainly|of course|absolutely|great|yes|here (?:is|are)|here{_APOSTROPHE}s)",
    "closing_offers": "let me know|if you (?:have|need|would like|want)|feel free|hope (?:this|that|it) helps"
    "|anything else",
    "conclusions": r"in conclusion|in summary|to summari[sz]e|(?:^|\n)overall|ultimately|to conclude|in short|to sum up"
    r"|therefore,? the",
    "examples": r"for example|for instance|e\.g\.|such as|an example",
    "cautions": "important to|note that|consult|professional|caution|warning|disclaimer|keep in mind|ethical|be aware"
    "|remember to",
    "concessions": rf"you(?:{_APOSTROPHE}re| are) (?:right|correct)|i apologi[sz]e for|i made an? (?:mistake|error)"
    r"|thank you for (?:pointing|correct)",
    "steps": rf"{_B}step [0-9]+",
    "opinions": r"i (?:think|believe|feel|would say)|in my opinion|personally",
    # Traces of a chat template, which a response should not contain.
    "role_leaks": r"(?m)^(?:human|user|assistant|instruction|question|input|output|response)s?:"
    r"|###|<\|[a-z_]+\|>|\[/?inst\]|</?s>",
}

#: Scripts whose letters are counted, to recognise a response in another script than the prompt.
SCRIPTS: Final[Mapping[str, str]] = {
    "latin": r"\p{Latin}",
    "cyrillic": r"\p{Cyrillic}",
    "greek": r"\p{Greek}",
    "arabic": r"\p{Arabic}",
    "hebrew": r"\p{Hebrew}",
    "devanagari": r"\p{Devanagari}",
    "thai": r"\p{Thai}",
    "han": r"\p{Han}",
    "kana": r"[\p{Hiragana}\p{Katakana}]",
    "hangul": r"\p{Hangul}",
}

#: Words that are frequent in one language of Latin script and rare in the others.
LANGUAGES: Final[Mapping[str, str]] = {
    "english": "the of and to in is that it for you with this are be as was or from have by not which can your",
    "spanish": "el los las una por para con del es y que está más pero como su cuando muy también hay",
    "french": "le les des une est et dans pour que qui sur avec pas vous nous ce cette plus sont aux",
    "german": "der die das und ist nicht ein eine zu den mit von auf für sich auch dem es werden wie",
    "portuguese": "os uma não para com que é mais como foi ao mas são você também pela dos das em seu",
    "italian": "il di che è per una sono non del della con gli più anche questo nel alla ma come lo",
}

_LEXICA: Final[Mapping[str, str]] = {
    **{f"language_{name}": words for name, words in LANGUAGES.items()},
    "function_words": """the a an of and to in is that it for you with this are be as was or from have by not which can
    your will at on but if they their its he she his her we our i my me do does did has had so than then there these
    those what when where who how why would should could may might must been being were also into about some any all
    more""",
    "hedges": """may might could perhaps possibly probably maybe likely unlikely seem seems appear appears generally
    usually typically often sometimes somewhat approximately roughly potentially believe think suggest suggests""",
    "enthusiasm": """great certainly absolutely sure excellent wonderful fantastic amazing definitely awesome perfect
    exciting incredible brilliant delighted happy glad love""",
    "connectives": """however therefore moreover furthermore additionally consequently because although though while
    whereas thus hence since finally firstly secondly thirdly next then instead meanwhile nevertheless similarly
    overall""",
    "first_person": "i i'm i've i'd i'll i’m i’ve i’d i’ll me my mine myself",
    "first_person_plural": "we we're we've we'll we’re we’ve we’ll us our ours let's let’s",
    "second_person": "you you're you've you'd you'll you’re you’ve you’d you’ll your yours yourself",
    "negations": """not no never none nor without neither nothing cannot can't don't doesn't didn't won't isn't aren't
    wasn't weren't wouldn't shouldn't couldn't can’t don’t doesn’t didn’t won’t isn’t aren’t wasn’t weren’t wouldn’t""",
    "imperatives": """use make try add create consider ensure include start avoid keep remember check choose set write
    find take provide follow be get""",
}
#: Single words to count.
LEXICA: Final = {name: frozenset(words.split()) for name, words in _LEXICA.items()}

#: Kinds of prompts.
PROMPT_KINDS: Final[Mapping[str, str]] = {
    "code": "```|"
    + _any_of(
        r"code|python|java|javascript|sql|html|css|regex|function|script|bash|algorithm|api|compile|debug|program|class",
        "implement",
    )
    + r"|c\+\+",
    "maths": r"\\frac|\\sqrt|\$\$|[0-9]\s*[-+*/^=]\s*[0-9]|[a-z] = |"
    + _any_of(
        "solve|calculate|equation|integral|derivative|probability|how many|how much|sum of|prove|theorem|matrix",
        "triangle|math|arithmetic|percent",
    ),
    "reasoning": _any_of("riddle|puzzle|logic|deduce|reason|think|step by step|suppose|assume|imagine"),
    "list": _any_of(
        "list|ideas?|examples?|suggest(?:ions?)?|names?|recommend(?:ations?)?|tips?|ways|top [0-9]+|bullet points?",
        "[0-9]+ (?:ways|things|ideas|examples|names|tips|reasons|questions)",
    ),
    "writing": _any_of("write|compose|draft|poem|story|essay|email|letter|blog|song|lyrics|haiku"),
    "rewriting": _any_of(
        "rewrite|rephrase|paraphrase|summari[sz]e|summary|translate|proofread|correct|edit|improve|shorten"
    ),
    "extraction": _any_of("extract|identify|classify|categori[sz]e|given|based on|following|passage|evaluate"),
    "role_play": _any_of("act as|pretend|role ?play|you are an?|embrace the role|persona|as if you|character"),
    "brevity": _any_of(
        "brief(?:ly)?|concise(?:ly)?|short|one (?:word|sentence|paragraph|line)|single (?:word|sentence)|only|tl;?dr",
        "in [0-9]+ (?:words|sentences)|(?:fewer|less) than [0-9]+|no more than|at most",
    ),
    "detail": _any_of(
        "detail(?:ed|s)?|explain|elaborate|thorough(?:ly)?|in[- ]depth|comprehensive|step[- ]by[- ]step|long"
    ),
    "format": _any_of("json|table|markdown|csv|yaml|xml|format|columns?|bullet"),
    "opinion": _any_of("opinion|do you think|your favou?rite|feel about|should i|best|better"),
    "comparison": _any_of("compare|difference|versus|vs|contrast|pros and cons|advantages"),
    "factual": rf"(?m)^\s*(?:who|what|when|where|which|is|are|was|did|does|do|can){_B}",
    "how_to": rf"(?m)^\s*(?:how|why){_B}|" + _any_of("how (?:to|do i|can i|does)"),
    "correction": _any_of("wrong|incorrect|mistake|error|fix|are you sure|previous response|your (?:answer|response)"),
    "sensitive": _any_of(
        "kill|bomb|weapons?|hack|sex(?:ual)?|nude|porn|drugs?|suicide|illegal|steal|murder|racist|nazi"
    ),
    "greeting": r"^\s*" + _any_of("hi|hello|hey|good (?:morning|evening)|how are you|test"),
}

#: The first group is the number of words that a prompt asks for.
ASKED_WORDS: Final = r"(?:^|[^0-9.,])([0-9]{1,4})[- ](?:or (?:fewer|less) )?words?"
