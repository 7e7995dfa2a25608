"""Measure a judge: how long it takes to start and to answer, and how good the best of several responses is.

    python benchmarks/judge.py                                 trains on the demo battles first
    python benchmarks/judge.py --data DIR --encoder-data DIR   data folders of runs without and with the encoder

The battles are simulated as those of the demo are, with a seed of their own. The judge computes on the CPU.

"first answer" is the time from the start of a process to the result of its first ``compare``, the median of three
processes whose files are in the page cache. "compare" is a call in a process that has answered before, each with
another pair. "rank" orders the responses to one prompt in one call; "one by one" is a call of ``compare`` for each of
the pairs, scaled from 100 of them. "predict" reads a table of battles.

The true utility of a response is what the simulation draws its labels from: the quality, plus the mean effect of the
style against the other responses to the prompt, in log-odds. "random" is the mean of the responses. None of the prompts
is in the training battles, but their topics are.

The cross encoder has the architecture of all-MiniLM-L6-v2 with random weights, reads a prompt and both responses at
once, 512 tokens in float32, and runs through sentence-transformers; without that package it is left out. The judge that
this script trains runs its encoder in float32, too; of another one the dtype is printed.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import torch
from omegaconf import OmegaConf
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from arena_preference import Judge
from arena_preference.battles import TEXT_COLUMNS, FloatArray, prompt_group
from arena_preference.judge.predictor import FITTED
from arena_preference.metrics import estimate_means
from arena_preference.pipelines.embedding.model_inputs import join_turns
from arena_preference.pipelines.simulation.behaviour import draw_behaviour
from arena_preference.pipelines.simulation.config import SimulationConfig
from arena_preference.pipelines.simulation.labels import compare_styles, compute_quality, count_style
from arena_preference.pipelines.simulation.nodes import simulate_test_battles
from arena_preference.pipelines.simulation.prompts import draw_prompt
from arena_preference.pipelines.simulation.responses import write_response
from arena_preference.pipelines.simulation.rng import Random
from arena_preference.pipelines.simulation.texts import load_texts
from arena_preference.pretrained import find_model

PROJECT: Final = Path(__file__).parents[1]
SEED: Final = 1
N_PROCESSES: Final = 3
N_COMPARES: Final = 200
N_RANKED: Final = 64
N_ONE_BY_ONE: Final = 100
N_RESAMPLES: Final = 2000

_IMPORT: Final = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
_FIRST_ANSWER: Final = (
    "import sys, time; from arena_preference import Judge; "
    "Judge.load(sys.argv[1], device='cpu').compare(*sys.argv[2:]); print(time.time())"
)

Pair = tuple[list[str | None], list[str | None], list[str | None]]


class Candidates(NamedTuple):
    """Responses to a prompt, and their true utilities, shape (n,)."""

    prompt: str
    responses: list[str]
    utilities: FloatArray


def read_parameters(group: str) -> Any:
    """The project's parameters of one pipeline."""
    parameters: Any = OmegaConf.to_container(OmegaConf.load(PROJECT / "conf" / "base" / f"parameters_{group}.yml"))
    return parameters[group]


def run_kedro(*params: str) -> None:
    """Train a judge in the project."""
    command = [sys.executable, "-m", "kedro", "run", f"--to-outputs={','.join(FITTED)}", f"--params={','.join(params)}"]
    done = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, "KEDRO_DISABLE_TELEMETRY": "1"}, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")


def read_training_groups(data: Path) -> set[str]:
    """Prompt groups of the battles that a judge was trained on."""
    folder = data / "02_intermediate" / "train_battles.parquet"
    return set(pd.read_parquet(max(folder.iterdir()) / folder.name, columns=["prompt_group"])["prompt_group"])


def simulate_candidates(
    n_prompts: int, n_responses: int, excluded: set[str], config: SimulationConfig, seed: int
) -> list[Candidates]:
    """Simulate responses of different models to distinct prompts that are not in the excluded groups."""
    generator = np.random.default_rng([seed, n_responses])
    rng, groups = Random(generator), set(excluded)
    candidates: list[Candidates] = []
    while len(candidates) < n_prompts:
        prompt = draw_prompt(rng, config.other_language_fraction)
        if prompt_group([prompt.text]) in groups:
            continue
        groups.add(prompt_group([prompt.text]))
        length = config.usual_length * np.exp(config.shared_length_spread * generator.standard_normal())
        texts, traits = [], []
        models = rng.sample(load_texts().models, n_responses)
        for model in models:
            ability = model.strength + config.ability_spread * generator.standard_normal()
            behaviour = draw_behaviour(rng, model, ability, generator.standard_normal())
            text, of_text = write_response(rng, prompt, behaviour, length * behaviour.length * prompt.length_scale)
            texts.append(text)
            traits.append(of_text)
        quality = compute_quality(np.array(traits), np.array([model.strength for model in models]), config)
        styles = np.array([count_style(text) for text in texts], dtype=float)
        style = compare_styles(styles[:, None], styles[None], config).sum(axis=1) / (n_responses - 1)
        candidates.append(Candidates(prompt.text, texts, quality + style))
    return candidates


def call_python(code: str, *arguments: str) -> float:
    """Execute code in a process of its own and return the number that it prints."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def time_first_answer(data: Path, texts: Sequence[str]) -> float:
    """Seconds from the start of a process to its first answer."""
    start = time.time()
    return call_python(_FIRST_ANSWER, str(data), *texts) - start


def measure_seconds(function: Callable[[], Any]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def time_judge(judge: Judge, data: Path, battles: pd.DataFrame, pairs: list[Pair], ranked: Candidates) -> pd.Series:
    """Measure one judge: ``predict`` with the battles, ``compare`` with the pairs, ``rank`` with the candidates."""
    first = [join_turns(turns) for turns in pairs[0]]
    starts = [time_first_answer(data, first) for _ in range(N_PROCESSES)]
    for pair in pairs[-5:]:
        judge.compare(*pair)
    compares = [1000 * measure_seconds(lambda pair=pair: judge.compare(*pair)) for pair in pairs[:N_COMPARES]]  # type: ignore[misc]
    prompt, responses, _ = ranked
    rank = measure_seconds(lambda: judge.rank(prompt, responses))
    ranked_pairs = list(combinations(responses, 2))
    chosen = np.random.default_rng(SEED).permutation(len(ranked_pairs))[:N_ONE_BY_ONE]
    one_by_one = measure_seconds(lambda: [judge.compare(prompt, *ranked_pairs[index]) for index in chosen])
    one_by_one *= len(ranked_pairs) / len(chosen)
    predict = measure_seconds(lambda: judge.predict(battles))
    return pd.Series(
        {
            "first answer, s": np.median(starts),
            "compare, median, ms": np.median(compares),
            "compare, 95th percentile, ms": np.quantile(compares, 0.95),
            f"rank {len(responses)} responses, s": rank,
            f"{len(ranked_pairs):,} pairs one by one (scaled from {len(chosen)}), s": one_by_one,
            "one by one / rank": one_by_one / rank,
            "predict, pairs/s": len(battles) / predict,
        }
    )


def compare_choices(judges: dict[str, Judge], candidates: list[Candidates]) -> pd.DataFrame:
    """Mean true utility of the response that each rule chooses, with a 95 % interval over prompts."""
    choices = {
        "random": [each.utilities.mean() for each in candidates],
        "longest": [each.utilities[np.argmax([len(text) for text in each.responses])] for each in candidates],
    }
    requests = [(each.prompt, each.responses) for each in candidates]
    for name, judge in judges.items():
        for context in ("none", "batch"):
            rankings = judge.rank_many(requests, context=context)
            choices[f"judge, {name}, context {context}"] = [
                each.utilities[ranking.best] for each, ranking in zip(candidates, rankings, strict=True)
            ]
    choices["true best"] = [each.utilities.max() for each in candidates]
    table = estimate_means(np.column_stack(list(choices.values())), np.arange(len(candidates)), N_RESAMPLES, SEED)
    table.index = pd.Index(choices)
    random, best = table.loc["random", "value"], table.loc["true best", "value"]
    return table.assign(gain=(table["value"] - random) / (best - random))


def load_cross_encoder(folder: Path) -> Any | None:
    """A cross encoder of sentence-transformers with random weights, None without the package."""
    try:
        package = importlib.import_module("sentence_transformers")
    except ModuleNotFoundError:
        return None
    encoder = read_parameters("embedding")["encoder"]
    disable_progress_bar()
    source = find_model(encoder["model"], encoder["revision"])
    torch.manual_seed(SEED)
    config = AutoConfig.from_pretrained(source, num_labels=3)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return package.CrossEncoder(str(folder), max_length=512, device="cpu", model_kwargs={"dtype": torch.float32})


def compare_throughput(judges: dict[str, Judge], battles: pd.DataFrame, pairs: list[Pair], folder: Path) -> pd.Series:
    """Pairs per second of the judges and of a cross encoder, on the same pairs."""
    rates = {f"judge, {name}": measure_seconds(lambda j=judge: j.predict(battles)) for name, judge in judges.items()}  # type: ignore[misc]
    cross_encoder = load_cross_encoder(folder)
    if cross_encoder is None:
        print("sentence-transformers is not installed: no cross encoder is measured.")
    else:
        separator = cross_encoder.tokenizer.sep_token
        inputs = [[join_turns(prompt), f"{join_turns(a)} {separator} {join_turns(b)}"] for prompt, a, b in pairs]
        cross_encoder.predict(inputs[:4], show_progress_bar=False)
        rates["cross encoder"] = measure_seconds(lambda: cross_encoder.predict(inputs, show_progress_bar=False))
    return len(pairs) / pd.Series(rates)


def find_processor() -> str:
    """Name of the processor, where the system tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    """Train if needed, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="data folder of a run without the encoder")
    parser.add_argument("--encoder-data", type=Path, help="data folder of a run with the encoder")
    parser.add_argument("--battles", type=int, default=2000, help="that predict reads")
    parser.add_argument("--encoder-battles", type=int, default=200, help="that predict reads with the encoder")
    parser.add_argument("--cross-encoder-pairs", type=int, default=100, help="that the cross encoder reads")
    parser.add_argument("--prompts", type=int, default=200, help="that the best of 8 responses is chosen for")
    arguments = parser.parse_args()
    start = time.perf_counter()
    config = SimulationConfig(**{**read_parameters("simulation"), "test_battles": arguments.battles})
    battles, _ = simulate_test_battles(config, SEED)
    pairs: list[Pair] = [
        (json.loads(prompt), json.loads(a), json.loads(b))
        for prompt, a, b in battles[list(TEXT_COLUMNS)].itertuples(index=False)
    ]
    print(
        f"{find_processor()}, {len(os.sched_getaffinity(0))} cores; threads: PyTorch {torch.get_num_threads()}, "
        f"Polars {pl.thread_pool_size()}; Python {platform.python_version()}, PyTorch {torch.__version__}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = {"no encoder": arguments.data, "encoder": arguments.encoder_data}
        for label, source in sources.items():
            if source is None:
                sources[label] = folder / label.replace(" ", "_")
                enabled = str(label == "encoder").lower()
                run_kedro(
                    f"data_root={sources[label]}",
                    f"embedding.encoder.enabled={enabled}",
                    "embedding.inference.dtype=float32",
                )
        judges = {label: Judge.load(source, device="cpu") for label, source in sources.items()}
        dtype = judges["encoder"].manifest.parameters["embedding"]["inference"]["dtype"]
        print(f"runs {', '.join(judge.manifest.run_id for judge in judges.values())}; the encoder's dtype: {dtype}")
        excluded = set().union(*(read_training_groups(source) for source in sources.values()))
        (ranked,) = simulate_candidates(1, N_RANKED, excluded, config, SEED)
        candidates = simulate_candidates(arguments.prompts, 8, excluded, config, SEED)

        for statement in ("import arena_preference", "from arena_preference import Judge"):
            seconds = np.median([call_python(_IMPORT.format(statement)) for _ in range(N_PROCESSES)])
            print(f"{statement}: {seconds:.3f} s")
        read = {"no encoder": battles, "encoder": battles.head(arguments.encoder_battles)}
        times = {
            label: time_judge(judge, sources[label], read[label], pairs, ranked) for label, judge in judges.items()
        }
        print(f"\npredict reads {', '.join(f'{len(table):,} battles ({label})' for label, table in read.items())}")
        print(f"{pd.DataFrame(times).to_string(float_format='{:,.2f}'.format)}", flush=True)

        table = compare_choices(judges, candidates)
        print(
            f"\nbest of 8 for {len(candidates)} prompts: mean true utility, 95 % interval, share of the possible gain"
        )
        for rule, row in table.iterrows():
            print(f"{rule:<36}{row['value']:>+7.3f}  [{row['low']:+.3f}, {row['high']:+.3f}]{row['gain']:>8.0%}")

        n_pairs = min(arguments.cross_encoder_pairs, len(pairs))
        rates = compare_throughput(judges, battles.head(n_pairs), pairs[:n_pairs], folder / "cross_encoder")
        print(f"\npairs per second, {n_pairs} pairs\n{rates.to_string(float_format='{:,.1f}'.format)}")
    print(f"\n{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
