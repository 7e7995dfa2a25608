"""Python functions to write, each with a right and a wrong solution; ``FUNC`` stands for the name that is asked for."""

from .topics import Aspect, Topic

FUNCTION_NAMES = (
    "solve", "compute", "helper", "process", "run_task", "my_function", "do_it", "calc", "transform", "evaluate",
    "handle", "main_step", "convert", "analyse", "get_result", "answer",
)  # fmt: skip


_ELABORATIONS = (
    "With regard to {title}, readable code is worth more than clever code.",
    "If you use type hints in your project, they can be added without any other change.",
    "The standard library suffices, so nothing has to be installed.",
    "For very large inputs one would measure first and optimise afterwards.",
    "A short docstring would tell the next reader what to expect.",
    "Try it in an interactive session and change one thing at a time.",
    "This runs on every version of Python that is still supported.",
    "Many tutorials show a longer variant that does the same.",
    "You can put it into a module of its own and import it where it is needed.",
    "When something fails, print the intermediate values before you change the logic.",
    "A linter will have nothing to complain about here.",
    "Regarding {title}, there are other solutions of about the same length.",
)


def _code(goal: str, body: str, wrong: str, how: str, how_not: str, call: str, call_not: str, edge: str) -> Topic:
    return Topic(
        f"a Python function `FUNC` that {goal}",
        (
            Aspect(
                "the function",
                f"```python\n{body}\n```",
                "The name, the argument and the return value are those that you asked for.",
                f"```python\n{wrong}\n```",
            ),
            Aspect("how it works", how, "Each line does one thing, so it can be tested alone.", how_not),
            Aspect("an example call", call, "You can paste that line into a Python console as it stands.", call_not),
            Aspect(
                "edge cases", edge, "A unit test for each of them takes a minute to write.", "Edge cases cannot occur."
            ),
        ),
        _ELABORATIONS,
    )


CODE_TASKS = (
    _code(
        "counts the vowels in a text",
        'def FUNC(text):\n    return sum(letter in "aeiou" for letter in text.lower())',
        'text = input()\nprint("There are", len(text), "vowels")',
        "The text is lowered once, and each letter that is a vowel adds one to the sum.",
        "The length of a text is always the number of its vowels.",
        '`FUNC("Arena")` returns 3.',
        '`FUNC("Arena")` returns 5.',
        "An empty text gives 0, and accented letters are not counted.",
    ),
    _code(
        "returns the second largest number of a list",
        "def FUNC(numbers):\n"
        "    distinct = sorted(set(numbers))\n"
        "    return distinct[-2] if len(distinct) > 1 else None",
        "def biggest(numbers):\n    numbers.sort()\n    return numbers[0]",
        "Duplicates are dropped, the rest is sorted, and the last but one element is taken.",
        "After sorting, the first element must be the largest but one.",
        "`FUNC([4, 9, 9, 7])` returns 7.",
        "`FUNC([4, 9, 9, 7])` returns 4, as it should.",
        "With fewer than two distinct numbers the result is None.",
    ),
    _code(
        "checks whether a word is a palindrome",
        "def FUNC(word):\n    letters = [c for c in word.lower() if c.isalnum()]\n    return letters == letters[::-1]",
        'word = "level"\nif word[0] == word[1]:\n    print("palindrome")',
        "Letters are compared with themselves in reverse order, after case and punctuation are removed.",
        "It suffices to look at the first two letters of the word.",
        '`FUNC("Was it a car")` returns False and `FUNC("Level")` returns True.',
        '`FUNC("Level")` returns False because of the capital.',
        "An empty word counts as a palindrome here.",
    ),
    _code(
        "removes duplicates from a list and keeps the order",
        "def FUNC(items):\n    return list(dict.fromkeys(items))",
        "items = [1, 2, 2, 3]\nitems.clear()\nprint(items)",
        "Dictionary keys are unique and remember the order in which they were inserted.",
        "Clearing the list removes the duplicates together with everything else.",
        '`FUNC(["b", "a", "b"])` returns `["b", "a"]`.',
        '`FUNC(["b", "a", "b"])` returns `[]`.',
        "The items have to be hashable, so nested lists would raise a TypeError.",
    ),
    _code(
        "computes the n-th Fibonacci number",
        "def FUNC(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a",
        "def fib_list(n):\n    return [n * n for _ in range(n)]",
        "Two neighbours of the sequence move one place forward in every turn of the loop.",
        "The sequence consists of the squares of n, repeated n times.",
        "`FUNC(10)` returns 55.",
        "`FUNC(10)` returns 100, ten times over.",
        "For n = 0 it returns 0, and a negative n is treated like 0.",
    ),
    _code(
        "groups words by their first letter",
        "def FUNC(words):\n"
        "    groups = {}\n"
        "    for word in words:\n"
        "        groups.setdefault(word[0].lower(), []).append(word)\n"
        "    return groups",
        "def lengths(words):\n    for word in words:\n        return len(word)",
        "A dictionary maps each first letter to its list, which is created on first use.",
        "The loop returns at the first word, which makes it very fast.",
        '`FUNC(["ant", "bee", "ape"])` returns `{"a": ["ant", "ape"], "b": ["bee"]}`.',
        '`FUNC(["ant", "bee", "ape"])` returns 3.',
        "An empty word has no first letter and should be filtered out beforehand.",
    ),
    _code(
        "converts seconds to hours, minutes and seconds",
        "def FUNC(seconds):\n"
        "    minutes, seconds = divmod(seconds, 60)\n"
        "    hours, minutes = divmod(minutes, 60)\n"
        "    return hours, minutes, seconds",
        "seconds = 3661\nprint(seconds / 100, seconds * 60)",
        "`divmod` gives quotient and remainder at once, first for minutes and then for hours.",
        "An hour has one hundred seconds, so a division is all that is needed.",
        "`FUNC(3661)` returns (1, 1, 1).",
        "`FUNC(3661)` returns 36.61 hours.",
        "More than a day simply yields more than 24 hours.",
    ),
    _code(
        "reads a CSV file and sums one column",
        "import csv\n\n\n"
        "def FUNC(path, column):\n"
        '    with open(path, newline="") as file:\n'
        "        return sum(float(row[column]) for row in csv.DictReader(file))",
        'def total():\n    file = open("data.txt", "w")\n    return file.write("0")',
        "`DictReader` names the cells by the header, and the file is closed when the block ends.",
        "Opening the file for writing empties it, and then the sum is easy.",
        '`FUNC("sales.csv", "amount")` returns the sum of the amounts.',
        '`FUNC("sales.csv", "amount")` returns 0 for every file.',
        "An empty cell would raise a ValueError and has to be skipped if it is expected.",
    ),
)
