"""The test split of the pipelines as one function of battles, with everything that it needs in memory."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import ID, PREFERS_A, PREFERS_B
from arena_preference.datasets import EmbeddingShard, ModelStore
from arena_preference.pipelines.embedding.config import EmbeddingConfig
from arena_preference.pipelines.embedding.nodes import (
    compute_embedding_features,
    compute_reward_features,
    embed_texts,
    score_responses,
)
from arena_preference.pipelines.features.config import TextFeatureConfig
from arena_preference.pipelines.features.consensus import compute_consensus_features
from arena_preference.pipelines.features.lsa import compute_lsa_features
from arena_preference.pipelines.features.relevance import compute_relevance_features
from arena_preference.pipelines.features.text_statistics import compute_text_features
from arena_preference.pipelines.finetuning.config import FinetuningConfig
from arena_preference.pipelines.finetuning.nodes import predict_test_logits
from arena_preference.pipelines.modelling.calibration import read_logits
from arena_preference.pipelines.modelling.explanation import explain_logits
from arena_preference.pipelines.modelling.fitting import join_features
from arena_preference.pipelines.modelling.prediction import predict_preferences
from arena_preference.symmetry import FORM_SEPARATOR

from .reasons import Explained

#: The datasets of a run that predicting reads.
FITTED: Final = (
    "char_lsa",
    "word_tfidf",
    "prompt_lsa",
    "prompt_word_regression",
    "embedding_models",
    "embedding_projection",
    "cross_encoders",
    "linear_model",
    "preference_model",
    "calibration",
)


class Predictor:
    """Predicts battles with the node functions of the test split; several threads may share it."""

    def __init__(self, fitted: Mapping[str, Any], parameters: Mapping[str, Any], cross_encoder_store: Path) -> None:
        """Take the datasets ``FITTED``, the parameters of the run, and the folder of its cross encoders."""
        self._fitted = fitted
        self._text = TextFeatureConfig.model_validate(parameters["features"]["text"])
        self._embedding = EmbeddingConfig.model_validate(parameters["embedding"])
        self._finetuning = FinetuningConfig.model_validate(parameters["finetuning"])
        # How a transformer rounds can depend on what is in a batch: a maximum of one token makes batches of one text.
        alone = deepcopy(dict(parameters))
        alone["embedding"]["inference"]["batch_tokens"] = {"cpu": 1, "cuda": 1, "mps": 1}
        alone["finetuning"]["device"]["tokens"] = 1
        self._embedding_alone = EmbeddingConfig.model_validate(alone["embedding"])
        self._finetuning_alone = FinetuningConfig.model_validate(alone["finetuning"])
        self._cross_encoder_store = ModelStore(cross_encoder_store)
        # Transformers that are kept from one call to the next. They share PyTorch's threads.
        self._loaded: dict[str, Any] = {}
        self._lock = Lock()

    def predict(self, battles: pd.DataFrame, *, alone: bool) -> pd.DataFrame:
        """Return probabilities of battles (schema ``Predictions``), in their order.

        ``alone`` runs transformers on one text at a time, so that no bit depends on the other battles; without it, they
        read the same batches as in a run of the pipelines.
        """
        fitted = self._fitted
        return predict_preferences(
            self._compute_features(battles, alone=alone),
            self._run_cross_encoders(battles, alone=alone),
            fitted["linear_model"],
            fitted["preference_model"],
            fitted["calibration"],
        )

    def explain(self, battle: pd.DataFrame) -> Explained:
        """Return the contributions of features, and of cross encoders where there are any, to one battle."""
        fitted = self._fitted
        features = self._compute_features(battle, alone=True).drop(columns=ID)
        margins, _ = explain_logits(fitted["preference_model"], fitted["linear_model"], features)
        contributions = margins[0] / fitted["calibration"]["temperature"]
        explained = Explained(list(features), features.iloc[0].to_numpy(dtype=float), contributions)
        logits = read_logits(self._run_cross_encoders(battle, alone=True), battle[ID])
        if logits is None:
            return explained
        difference = fitted["calibration"]["cross_encoder_weight"] * (logits[0, PREFERS_A] - logits[0, PREFERS_B])
        return Explained(
            [*explained.names, f"cross_encoder{FORM_SEPARATOR}diff"],
            np.append(explained.values, difference),
            np.append(explained.contributions, difference),
        )

    def _compute_features(self, battles: pd.DataFrame, *, alone: bool) -> pd.DataFrame:
        """Return the table ``model_input`` of battles (schema ``Battles``)."""
        fitted, word_tfidf = self._fitted, self._fitted["word_tfidf"]
        store = _MemoryStore(fitted["embedding_models"])
        embedding = self._embedding_alone if alone else self._embedding
        with self._lock:
            for embed in (embed_texts, score_responses):
                for shard in embed(battles, store, embedding, fitted["embedding_models"], self._loaded):
                    store.add(shard)
        return join_features(
            text=compute_text_features(battles, self._text),
            LSA=compute_lsa_features(battles, fitted["char_lsa"]),
            relevance=compute_relevance_features(
                battles, fitted["prompt_lsa"], word_tfidf, fitted["prompt_word_regression"]
            ),
            consensus=compute_consensus_features(battles, word_tfidf),
            embedding=compute_embedding_features(
                battles, store, fitted["embedding_models"], fitted["embedding_projection"]
            ),
            reward_model=compute_reward_features(battles, store, fitted["embedding_models"]),
        )

    def _run_cross_encoders(self, battles: pd.DataFrame, *, alone: bool) -> pd.DataFrame:
        trained = self._fitted["cross_encoders"]
        finetuning = self._finetuning_alone if alone else self._finetuning
        with self._lock:
            return predict_test_logits(battles, self._cross_encoder_store, trained, finetuning, self._loaded)


class _MemoryStore:
    """An ``EmbeddingStore`` in memory, for the battles of one call."""

    def __init__(self, embedding_models: Mapping[str, Mapping[str, Any]]) -> None:
        self._models = embedding_models
        self._collections: dict[str, _MemoryCollection] = {}

    def open_collection(self, description: Mapping[str, Any]) -> "_MemoryCollection":
        kind = description["kind"]
        dtypes = {model["collection"]["kind"]: model["dtype"] for model in self._models.values() if model}
        return self._collections.setdefault(kind, _MemoryCollection(dtypes.get(kind)))

    def add(self, shard: EmbeddingShard) -> None:
        vectors = self.open_collection(shard.description).vectors
        vectors.update(zip(shard.keys.tolist(), shard.vectors, strict=True))


class _MemoryCollection:
    """An ``EmbeddingCollection`` in memory; ``dtype`` is that of the training battles."""

    def __init__(self, dtype: str | None) -> None:
        self.dtype = dtype
        self.vectors: dict[bytes, npt.NDArray[Any]] = {}

    def holds(self, keys: npt.NDArray[np.bytes_]) -> npt.NDArray[np.bool_]:
        return np.array([key in self.vectors for key in keys.tolist()], dtype=bool)

    def read(self, keys: npt.NDArray[np.bytes_]) -> npt.NDArray[Any]:
        return np.stack([self.vectors[key] for key in keys.tolist()])
