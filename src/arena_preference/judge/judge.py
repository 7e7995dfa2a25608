"""Judge: the trained model as a Python object."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args
from weakref import finalize

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS, TEXT_COLUMNS, FloatArray, prompt_group
from arena_preference.datasets import RawTable, RawTablesDataset
from arena_preference.formats.cells import Turns
from arena_preference.lineage.manifest import Manifest
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.parsing import parse_test_battles

from .artefacts import CROSS_ENCODER_STORE, find_copied_models, load_artefacts
from .predictor import FITTED, Predictor
from .reasons import list_reasons
from .results import Preference, Ranking, Reason
from .turns import Conversation, read_battle, read_candidates

#: ``none``: each battle alone. ``batch``: battles of the same prompt in one call are compared with each other.
Context = Literal["none", "batch"]

# What a list of rows or a table is called in messages.
_ROWS = "battles"
_HEAD_ROWS = 100


class Judge:
    """A trained model that says which response a person prefers. Several threads may share one.

    Example:
        >>> judge = Judge.load("data")
        >>> judge.compare("What is 2 + 2?", "4", "I think that it may be 5.").winner
        'a'
    """

    def __init__(
        self,
        predictor: Predictor,
        manifest: Manifest,
        ingestion: IngestionConfig,
        temporary: Path | None = None,
    ) -> None:
        """Make a judge from what ``load`` has loaded.

        Args:
            predictor: The model.
            manifest: That of the model's run.
            ingestion: The run's parameters, by which files are read.
            temporary: A folder that the model needs, deleted with the judge.
        """
        self.manifest = manifest
        self._predictor, self._ingestion = predictor, ingestion
        if temporary:
            finalize(self, shutil.rmtree, temporary, ignore_errors=True)

    @classmethod
    def load(cls, source: str | Path = "data", *, run: str | None = None, device: str = "auto") -> "Judge":
        """Load a model, after checking the hashes of its files.

        Args:
            source: A data folder, a folder or .zip that was exported, a bundle for Kaggle, or a repository on the
                Hugging Face Hub.
            run: The run's id, a prefix of it, or its name; None takes the newest complete training.
            device: Where transformers compute: auto, cpu, cuda or mps.

        Raises:
            FileNotFoundError: If the source, or a model that it uses, is not found.
            LineageError: If no run is complete, or a file is missing or was changed.
            ValueError: If no run, or more than one, matches; or the run is of another version of this package.
        """
        artefacts = load_artefacts(source, run, FITTED)
        parameters = find_copied_models(artefacts.manifest.parameters, artefacts.data)
        try:
            parameters["embedding"]["inference"]["device"] = device
            parameters["finetuning"]["device"]["kind"] = device
            # That of the training file need not be that of what is scored.
            parameters["ingestion"]["format"] = None
            predictor = Predictor(artefacts.fitted, parameters, artefacts.data / CROSS_ENCODER_STORE)
            ingestion = IngestionConfig.model_validate(parameters["ingestion"])
        except (KeyError, ValueError) as reason:
            raise ValueError(
                f"Run {artefacts.manifest.run_id} has parameters that this version of the package does not know "
                f"({reason}). Train again, or install the version that trained it."
            ) from reason
        return cls(predictor, artefacts.manifest, ingestion, artefacts.temporary)

    def compare(
        self, prompt: Conversation, a: Conversation, b: Conversation, *, context: Context = "none"
    ) -> Preference:
        """Which of two responses to a prompt a person prefers.

        Args:
            prompt: A text, a list of turns, or messages in OpenAI's format.
            a: A response, in any of these forms; a text answers the last turn.
            b: The other response. Exchanging both exchanges their probabilities, exactly.
            context: Has no effect on a single battle.

        Raises:
            TypeError: If an argument has none of these forms.
            ValueError: If messages do not fit.
        """
        ((of_a, of_b, tie),) = self.predict_pairs([(prompt, a, b)], context=context).tolist()
        return Preference(of_a, of_b, tie, lambda: self.explain(prompt, a, b))

    def explain(self, prompt: Conversation, a: Conversation, b: Conversation, *, n_reasons: int = 5) -> list[Reason]:
        """What speaks most for one response or the other, the largest contribution first."""
        turns, (of_a, of_b) = read_battle(prompt, a=a, b=b)
        return list_reasons(self._predictor.explain(_tabulate([(turns, of_a, of_b)], "none")), n_reasons)

    def predict_pairs(
        self, pairs: Iterable[tuple[Conversation, Conversation, Conversation]], *, context: Context = "none"
    ) -> FloatArray:
        """Probabilities that a person prefers a, prefers b, or calls it a tie.

        Args:
            pairs: Prompt, response a and response b, each as in ``compare``.
            context: ``none``: a row depends on its own pair alone. ``batch``: on the other pairs of its prompt, too.

        Returns:
            Shape (n, 3), in the order of the pairs; each row sums to 1.
        """
        read = []
        for prompt, a, b in pairs:
            turns, (of_a, of_b) = read_battle(prompt, a=a, b=b)
            read.append((turns, of_a, of_b))
        return self._predict(_tabulate(read, context), alone=context == "none")

    def predict(
        self, battles: pd.DataFrame | Sequence[Mapping[str, Any]] | str | Path, *, context: Context = "none"
    ) -> pd.DataFrame:
        """Probabilities for the rows of a table, a list or a file, in any format that ingestion reads.

        A row that does not fit its format is predicted from its cells as plain text, with a warning in the log; use
        ``predict_tables`` to get these rows.

        Returns:
            Columns id, winner_model_a, winner_model_b, winner_tie, one row for each of the battles in their order. The
            ids are those of the battles, or the numbers of the rows where they have none.

        Raises:
            ValueError: If the format is not known, or an id is missing or repeated.
            DatasetError: If a file cannot be read.
        """
        return self.predict_tables(_read_tables(battles), context=context)[0]

    def predict_tables(
        self, tables: Sequence[RawTable], *, context: Context = "none"
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """As ``predict``, for tables that ``RawTablesDataset`` has read.

        Returns:
            The predictions, and the rows that do not fit their format (schema ``RejectedRows``).
        """
        battles, rejected = self.read_tables(tables)
        probabilities = self._predict(_isolate(battles, context), alone=context == "none")
        predictions = pd.DataFrame(probabilities, columns=list(LABEL_COLUMNS))
        predictions.insert(0, ID, battles[ID])
        return predictions, rejected

    def read_tables(self, tables: Sequence[RawTable]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The battles (schema ``Battles``) of tables, in their order, and the rows that do not fit their format."""
        battles, rejected = parse_test_battles(tables, self._ingestion)
        return battles.sort_values(["source", "row"], ignore_index=True), rejected

    def rank(self, prompt: Conversation, responses: Sequence[Conversation], *, context: Context = "batch") -> Ranking:
        """Order responses to a prompt by the mean probability to win against the others.

        Args:
            prompt: As in ``compare``.
            responses: At least one.
            context: ``batch``: what most of the responses say speaks for a response. ``none``: each pair alone.

        Raises:
            TypeError: If an argument has none of the forms.
            ValueError: If there is no response, or messages do not fit.
        """
        (ranking,) = self.rank_many([(prompt, responses)], context=context)
        return ranking

    def rank_many(
        self, requests: Iterable[tuple[Conversation, Sequence[Conversation]]], *, context: Context = "batch"
    ) -> list[Ranking]:
        """Rank the responses to several prompts at once; no request changes the ranking of another."""
        battles, sizes = [], []
        for number, (prompt, responses) in enumerate(requests):
            turns, candidates = read_candidates(prompt, responses)
            if not candidates:
                raise ValueError("responses is empty. Pass at least one response.")
            sizes.append(len(candidates))
            i, j = _list_pairs(len(candidates))
            pairs = [(turns, candidates[first], candidates[second]) for first, second in zip(i, j, strict=True)]
            battles.append(_tabulate(pairs, context, str(number)))
        table = pd.concat(battles, ignore_index=True) if battles else _tabulate([], context)
        # In either context: in a shared batch, the texts of one request would change how those of another are rounded.
        probabilities = self._predict(table, alone=True)
        rankings, start = [], 0
        for size in sizes:
            i, j = _list_pairs(size)
            matrix = np.zeros((size, size))
            of_request = probabilities[start : start + len(i)]
            matrix[i, j], matrix[j, i] = of_request[:, 0], of_request[:, 1]
            rankings.append(Ranking(matrix))
            start += len(i)
        return rankings

    def best_of(self, prompt: Conversation, responses: Sequence[Conversation], *, context: Context = "batch") -> int:
        """Index of the best of some responses, as ``rank`` orders them."""
        return self.rank(prompt, responses, context=context).best

    def reward(
        self,
        prompts: Sequence[Conversation],
        completions: Sequence[Conversation],
        references: Sequence[Conversation | None] | None = None,
        **_: Any,
    ) -> list[float]:
        """Rewards of completions, as TRL's trainers ask a reward function for them.

        A preference is relative: the reward is the mean probability to win against the other completions of the same
        prompt, and against its reference if there is one, a tie counted half. Other arguments, such as the columns of
        the data set, are ignored.

        Args:
            prompts: The prompt of each completion, as in ``compare``.
            completions: As many.
            references: A response to compare each completion with, too, or None.

        Returns:
            From 0 to 1, in the order of the completions.

        Raises:
            ValueError: If the arguments are not of one length, or a prompt has one completion and no reference.
        """
        references = [None] * len(prompts) if references is None else references
        if not len(prompts) == len(completions) == len(references):
            raise ValueError(
                f"There are {len(prompts)} prompts, {len(completions)} completions and {len(references)} references; "
                "there has to be one of each for every completion."
            )
        groups: dict[str, list[int]] = {}
        for index, (prompt, reference) in enumerate(zip(prompts, references, strict=True)):
            groups.setdefault(json.dumps([prompt, reference]), []).append(index)
        requests = []
        for members in groups.values():
            prompt, reference = prompts[members[0]], references[members[0]]
            candidates = [completions[index] for index in members] + ([] if reference is None else [reference])
            if len(candidates) == 1:
                raise ValueError(
                    f"prompts[{members[0]}] has a single completion, and a reward is relative to others. Generate "
                    "several for each prompt (num_generations in TRL), or pass references."
                )
            requests.append((prompt, candidates))
        rewards = np.empty(len(prompts))
        for members, ranking in zip(groups.values(), self.rank_many(requests), strict=True):
            rewards[members] = ranking.win_probabilities[: len(members)]
        return rewards.tolist()

    def reward_func(
        self, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str | None] | None = None, **_: Any
    ) -> dict[str, Any]:
        """Rewards as OpenRLHF asks for them: ``queries`` are the prompts, each followed by its response.

        Args:
            queries: Prompt and response in one text.
            prompts: The prompts.
            labels: References of the prompts; empty ones count as None.

        Returns:
            ``rewards`` and ``scores``, the same tensor of shape (n,), and ``extra_logs``.

        Raises:
            ValueError: If a query does not begin with its prompt; and as ``reward``.
        """
        import torch

        rewards = torch.tensor(self.reward(prompts, *split_queries(queries, prompts, labels)))
        return {"rewards": rewards, "scores": rewards, "extra_logs": {"win_probability": rewards}}

    def _predict(self, battles: pd.DataFrame, *, alone: bool) -> FloatArray:
        if not len(battles):
            return np.empty((0, len(LABEL_COLUMNS)))
        return self._predictor.predict(battles, alone=alone)[list(LABEL_COLUMNS)].to_numpy()


def split_queries(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str | None] | None = None
) -> tuple[list[str], list[str | None] | None]:
    """Completions and references in queries and labels as OpenRLHF has them; see ``Judge.reward_func``."""
    for index, (query, prompt) in enumerate(zip(queries, prompts, strict=False)):
        if not query.startswith(prompt):
            raise ValueError(f"queries[{index}] does not begin with prompts[{index}]. Pass prompt and response.")
    completions = [query[len(prompt) :] for query, prompt in zip(queries, prompts, strict=False)]
    return completions, None if labels is None else [label or None for label in labels]


def _list_pairs(n: int) -> tuple[Any, Any]:
    """Indices i < j of all pairs of n responses."""
    return np.triu_indices(n, 1)


def _tabulate(pairs: Sequence[tuple[Turns, Turns, Turns]], context: Context, request: str = "") -> pd.DataFrame:
    """Battles as the features read them. Those of a prompt are a group only within one request."""
    battles = pd.DataFrame(
        {
            ID: [f"{request} {number}" for number in range(len(pairs))],
            **{
                name: pd.Series([pair[index] for pair in pairs], dtype=object)
                for index, name in enumerate(TEXT_COLUMNS)
            },
            "prompt_group": [f"{request} {prompt_group(prompt)}" for prompt, _, _ in pairs],
        }
    )
    return _isolate(battles, context)


def _isolate(battles: pd.DataFrame, context: Context) -> pd.DataFrame:
    """With the context ``none``, make each battle a group of its own, so that no other is compared with it."""
    if context not in get_args(Context):
        raise ValueError(f"context is {context!r}, but has to be one of {', '.join(get_args(Context))}.")
    return battles.assign(prompt_group=battles[ID]) if context == "none" else battles


def _read_tables(battles: Any) -> list[RawTable]:
    """Rows in memory, or the tables of a file."""
    if isinstance(battles, str | Path):
        return RawTablesDataset(filepath=str(Path(battles).expanduser().absolute())).load()
    rows = battles.to_dict("records") if isinstance(battles, pd.DataFrame) else list(battles)
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TypeError(
                f"Row {number} of {_ROWS} is of type {type(row).__name__}. Pass a DataFrame, a list of dictionaries, "
                "or the path of a file."
            )
    plain = [{str(name): _to_plain(value) for name, value in row.items()} for row in rows]
    if not plain:
        raise ValueError(f"{_ROWS} has no rows.")
    return [RawTable(_ROWS, _ROWS, plain, plain[:_HEAD_ROWS])]


def _to_plain(value: Any) -> Any:
    """A value of a table as JSON has it: lists instead of arrays, None instead of a missing number."""
    if isinstance(value, np.ndarray | list | tuple):
        return [_to_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _to_plain(each) for name, each in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    return None if value is pd.NA or value is pd.NaT or value != value else value
