"""Measure the encoder: how fast it reads, and what a larger set of texts costs.

    python benchmarks/embedding.py                                  against sentence-transformers, on the demo battles
    python benchmarks/embedding.py --raw-dir DIR --texts 5000       on any train.csv in the competition's schema
    python benchmarks/embedding.py --device cuda --texts 30000      the same on the first GPU
    python benchmarks/embedding.py --growth                         2,000, 8,000 and 32,000 texts through the node
    python benchmarks/embedding.py --growth --max-tokens 64 --long-texts truncate

The first compares with ``SentenceTransformer(folder).encode(texts)`` at its defaults, on the same folder, texts, device
and tokens (long texts are truncated at the end). Both times are from text to vectors, without loading. The rounds of
the competitors alternate and the best of each counts. "min cosine" is the minimum cosine similarity to the vectors of
sentence-transformers. "share of peak" is the encoder's arithmetic divided by that of a large square matrix product of
the same dtype, also the best of all rounds. A text of n tokens, special tokens included and padding not, counts as

    2 x weights x n + 4 x layers x hidden x n x n

floating-point operations: a multiplication and an addition for each weight but the embeddings and the unused pooler,
and attention's two products of n x n x hidden in each layer. With --device cuda this is the model FLOP utilisation; our
rows there are float32 and the dtype that the project would choose.

The second runs the node ``embed_texts`` on sets of different size, each in a fresh process, into a store in a temporary
folder. All sets consist of the same texts, repeated with a number at the end, so that their lengths are distributed
alike. Seconds include the node, which loads the encoder, and saving its shards; imports and the hashing of its files
come before, with a first text. The dtype is the device's, without autotuning, which could turn out differently in each
process. "peak" is the process's maximum memory, texts included.
"""

import argparse
import importlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import torch
import transformers
from omegaconf import OmegaConf
from transformers import AutoConfig, AutoModel

from arena_preference.battles import TEXT_COLUMNS
from arena_preference.datasets import EmbeddingStoreDataset, RawTablesDataset
from arena_preference.device import select_devices, select_dtype
from arena_preference.pipelines.embedding.config import EmbeddingConfig, InferenceConfig
from arena_preference.pipelines.embedding.encoder import Encoder
from arena_preference.pipelines.embedding.encoder_settings import read_encoder_settings
from arena_preference.pipelines.embedding.inference import Throughput, Workers, run_model
from arena_preference.pipelines.embedding.model_inputs import join_turns
from arena_preference.pipelines.embedding.nodes import embed_texts
from arena_preference.pipelines.embedding.text_model import Vectors
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.parsing import parse_train_battles
from arena_preference.pretrained import find_model

PROJECT: Final = Path(__file__).parents[1]
SEED: Final = 42
MIB: Final = 2**20


class Competitor(NamedTuple):
    """A way to embed all the texts."""

    name: str
    dtype: torch.dtype
    embed: Callable[[], Vectors]


def read_config(arguments: argparse.Namespace) -> EmbeddingConfig:
    """The project's parameters, overridden by the command line."""
    parameters: Any = OmegaConf.to_container(OmegaConf.load(PROJECT / "conf" / "base" / "parameters_embedding.yml"))
    encoder = {"max_tokens": arguments.max_tokens, "long_texts": arguments.long_texts}
    inference = {"device": arguments.device, "dtype": arguments.dtype, "workers": arguments.workers}
    if not arguments.growth:
        # As sentence-transformers does.
        parameters["embedding"]["encoder"] |= {"max_tokens": None, "long_texts": "truncate", "tail_tokens": 0}
    for group, chosen in (("encoder", encoder), ("inference", inference)):
        parameters["embedding"][group].update({name: value for name, value in chosen.items() if value is not None})
    return EmbeddingConfig(**parameters["embedding"])


def sample_texts(raw_dir: Path, count: int) -> list[str]:
    """Sample distinct prompts and responses of train.csv, at most all of them."""
    parameters: Any = OmegaConf.to_container(OmegaConf.load(PROJECT / "conf" / "base" / "parameters_ingestion.yml"))
    raw_battles = RawTablesDataset(filepath=str(raw_dir / "train")).load()
    battles, _ = parse_train_battles(raw_battles, IngestionConfig(**parameters["ingestion"]))
    texts = list(dict.fromkeys(join_turns(turns) for column in TEXT_COLUMNS for turns in battles[column]))
    chosen = np.random.default_rng(SEED).permutation(len(texts))[:count]
    return [texts[index] for index in chosen]


def load_encoder(config: EmbeddingConfig, device: torch.device, dtype: torch.dtype) -> Encoder:
    """Load the project's encoder on one device."""
    folder = find_model(config.encoder.model, config.encoder.revision)
    return Encoder(folder, [device], dtype, read_encoder_settings(folder, config.encoder))


def embed(encoder: Encoder, texts: Sequence[str], config: InferenceConfig) -> Vectors:
    """Embed texts as the project does, without a store; shape (texts, dimensions), in their order."""
    inputs = [encoder.make_input(text) for text in texts]
    with Workers(encoder, config.workers, getattr(config.batch_tokens, encoder.devices[0].type)) as workers:
        shards = list(run_model(encoder, inputs, workers, config.shard_characters, Throughput("encoder")))
    order = np.concatenate([rows for rows, _ in shards])
    return np.concatenate([vectors for _, vectors in shards])[np.argsort(order)]


def count_tokens(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    """Count the tokens of each window of all the texts, special tokens included."""
    parts = (texts[start : start + 1000] for start in range(0, len(texts), 1000))
    return np.array(
        [
            len(window.tokens)
            for part in parts
            for windows in encoder.tokenize([encoder.make_input(text) for text in part])
            for window in windows
        ]
    )


def count_operations(encoder: Encoder, tokens: np.ndarray) -> float:
    """Count the floating-point operations that windows of so many tokens need; the formula is at the top."""
    model_config = AutoConfig.from_pretrained(encoder.folder, local_files_only=True)
    with torch.device("meta"):
        model = AutoModel.from_config(model_config)
    weights = {name: weight.numel() for name, weight in model.named_parameters() if not name.startswith("pooler.")}
    embeddings = sum(part.weight.numel() for part in model.modules() if isinstance(part, torch.nn.Embedding))
    by_weights = 2 * (sum(weights.values()) - embeddings) * tokens.sum()
    by_attention = 4 * model_config.num_hidden_layers * model_config.hidden_size * np.square(tokens).sum()
    return float(by_weights + by_attention)


def measure_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of large square matrix products, the best of three."""
    size, products = (4096, 1) if device.type == "cpu" else (8192, 10)
    one, other, product = (torch.rand(size, size).to(device, dtype) for _ in range(3))
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(products):
            torch.matmul(one, other, out=product)
        # Reading a value waits for the device.
        product[0, 0].item()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 * products / best


def load_sentence_transformer(folder: Path, device: torch.device, max_tokens: int) -> Any:
    """Load the encoder with sentence-transformers, which this project does not depend on."""
    try:
        # Not an import statement: type checks have to pass where it is not installed.
        library = importlib.import_module("sentence_transformers")
    except ModuleNotFoundError:
        sys.exit("sentence-transformers is not installed, and this compares with it: pip install sentence-transformers")
    model = library.SentenceTransformer(str(folder), device=str(device))
    model.max_seq_length = max_tokens
    return model


def compare_speed(config: EmbeddingConfig, texts: list[str], rounds: int) -> pd.DataFrame:
    """Let sentence-transformers and this project embed the same texts."""
    device = select_devices(config.inference.device)[0]
    exact = load_encoder(config, device, torch.float32)
    settings = read_encoder_settings(exact.folder, config.encoder)
    theirs = load_sentence_transformer(exact.folder, device, settings.max_tokens)
    reference = Competitor(
        f"sentence-transformers {version('sentence-transformers')}",
        next(theirs.parameters()).dtype,
        lambda: theirs.encode(texts),
    )
    competitors = [reference, Competitor("ours", exact.dtype, lambda: embed(exact, texts, config.inference))]
    short = select_dtype([device], config.inference.dtype)
    if short != exact.dtype:
        rounded = load_encoder(config, device, short)
        competitors.append(Competitor("ours", short, lambda: embed(rounded, texts, config.inference)))

    tokens = count_tokens(exact, texts)
    print(
        f"{len(texts)} distinct texts, {tokens.sum()} tokens, {tokens.mean():.0f} in the mean and at most "
        f"{settings.max_tokens}; best of {rounds} rounds on {describe_machine(device)}"
    )
    seconds = dict.fromkeys(competitors, np.inf)
    peaks = {competitor.dtype: 0.0 for competitor in competitors}
    vectors: dict[Competitor, Vectors] = {}
    for _ in range(rounds):
        for competitor in competitors:
            start = time.perf_counter()
            vectors[competitor] = competitor.embed()
            seconds[competitor] = min(seconds[competitor], time.perf_counter() - start)
        for dtype, peak in peaks.items():
            peaks[dtype] = max(peak, measure_peak(device, dtype))

    operations = count_operations(exact, tokens)
    return pd.DataFrame(
        {
            "encoder": competitor.name,
            "dtype": name_dtype(competitor.dtype),
            "tokens/s": f"{tokens.sum() / seconds[competitor]:.0f}",
            "times": f"{seconds[reference] / seconds[competitor]:.2f}",
            "min cosine": f"{min_cosine(vectors[reference], vectors[competitor]):.6f}",
            "GFLOP/s": f"{operations / seconds[competitor] / 1e9:.0f}",
            "peak GFLOP/s": f"{peaks[competitor.dtype] / 1e9:.0f}",
            "share of peak": f"{operations / seconds[competitor] / peaks[competitor.dtype]:.1%}",
        }
        for competitor in competitors
    )


def min_cosine(one: Vectors, other: Vectors) -> float:
    """Minimum cosine similarity of vectors of the same text."""
    a, b = (part.astype(np.float64) for part in (one, other))
    return float(((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def measure_growth(config: EmbeddingConfig, raw_dir: Path, sizes: Sequence[int]) -> pd.DataFrame:
    """Fill a store with sets of different size, each in a process of its own."""
    chosen = name_dtype(select_dtype(select_devices(config.inference.device), config.inference.dtype))
    config = config.model_copy(update={"inference": config.inference.model_copy(update={"dtype": chosen})})
    settings = read_encoder_settings(find_model(config.encoder.model, config.encoder.revision), config.encoder)
    print(f"{settings}\n{config.inference!r}\n{describe_machine(select_devices(config.inference.device)[0])}")
    pool = in_fresh_process(sample_texts, raw_dir, min(sizes))
    table = pd.DataFrame([in_fresh_process(fill_store, config, pool, size) for size in sizes])
    per_token = table["seconds"] / table["tokens"] * 1e6
    return pd.DataFrame(
        {
            "texts": table["texts"],
            "tokens": table["tokens"],
            "text MiB": table["text_bytes"].div(MIB).round(1),
            "seconds": table["seconds"].round(1),
            "us/token": per_token.round(1),
            "relative": (per_token / per_token[0]).round(3),
            "peak MiB": table["peak_bytes"].div(MIB).round(),
            "growth MiB": (table["peak_bytes"] - table["peak_bytes"][0]).div(MIB).round(),
        }
    )


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new process.

    On Linux a process starts with the peak memory of its parent. The parent therefore does not even read the texts.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


def fill_store(config: EmbeddingConfig, pool: Sequence[str], size: int) -> dict[str, Any]:
    """Fill a new store through the node as Kedro does, and measure it."""
    texts = [f"{pool[index % len(pool)]} {index // len(pool)}" for index in range(size)]
    with tempfile.TemporaryDirectory() as folder:
        dataset = EmbeddingStoreDataset(filepath=f"{folder}/store")
        # So that imports and the hashing of the model's files are not timed.
        save_shards(dataset, ["a first text"], config)
        start = time.perf_counter()
        save_shards(dataset, texts, config)
        seconds = time.perf_counter() - start
        usage = resource.getrusage(resource.RUSAGE_SELF)
    encoder = load_encoder(config, torch.device("cpu"), torch.float32)
    return {
        "texts": size,
        "tokens": int(count_tokens(encoder, texts).sum()),
        "text_bytes": sum(len(text.encode()) for text in texts),
        "seconds": seconds,
        # macOS counts in bytes, Linux in KiB.
        "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def save_shards(dataset: EmbeddingStoreDataset, texts: Sequence[str], config: EmbeddingConfig) -> None:
    """Run the node on battles that consist of these texts, three in each."""
    # Texts repeated to fill the last battle are embedded once.
    turns = [[texts[index % len(texts)]] for index in range(len(texts) + -len(texts) % 3)]
    battles = pd.DataFrame({column: turns[index::3] for index, column in enumerate(TEXT_COLUMNS)})
    for shard in embed_texts(battles, dataset.load(), config):
        dataset.save(shard)


def describe_machine(device: torch.device) -> str:
    """Device, cores and versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    libraries = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {libraries}"


def name_dtype(dtype: torch.dtype) -> str:
    """Name of a dtype as in the parameters."""
    return str(dtype).removeprefix("torch.")


def main() -> None:
    """Read the command line, measure, print."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--growth", action="store_true", help="measure the cost of more texts")
    cli.add_argument("--sizes", type=int, nargs="+", default=[2000, 8000, 32000], help="texts of each set in --growth")
    cli.add_argument("--texts", type=int, default=1500, help="texts of the comparison")
    cli.add_argument("--rounds", type=int, default=3, help="rounds of the comparison")
    cli.add_argument("--raw-dir", type=Path, default=PROJECT / "data" / "01_raw" / "demo", help="where train.csv is")
    cli.add_argument(
        "--max-tokens", type=int, help="of the encoder; its own number in the comparison, else as in the parameters"
    )
    cli.add_argument("--long-texts", choices=["windows", "truncate"], help="in --growth; as in the parameters")
    cli.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], help="as in the parameters")
    cli.add_argument("--dtype", choices=["auto", "float32", "bfloat16", "float16"], help="as in the parameters")
    cli.add_argument("--workers", type=int, help="as in the parameters")
    arguments = cli.parse_args()
    config = read_config(arguments)
    raw_dir = arguments.raw_dir.resolve()
    if arguments.growth:
        table = measure_growth(config, raw_dir, arguments.sizes)
    else:
        table = compare_speed(config, sample_texts(raw_dir, arguments.texts), arguments.rounds)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
