"""Catalog types that the ecosystem lacks. Each writes a whole file or none, and none of them is a pickle."""

import lazy_loader

# Loaded on first use, so that a run which stores no CatBoost model does not import CatBoost.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "atomic_datasets": ["CSVDataset", "JSONDataset", "ParquetDataset", "TextDataset", "YAMLDataset"],
        "catboost_dataset": ["CatBoostDataset"],
        "embedding_store_dataset": [
            "EmbeddingShard",
            "EmbeddingSpace",
            "EmbeddingStore",
            "EmbeddingStoreDataset",
            "make_keys",
        ],
        "figures_dataset": ["FiguresDataset", "StoredFigure"],
        "marked_csv_dataset": ["MarkedCSVDataset"],
        "model_store_dataset": ["ModelStore", "ModelStoreDataset"],
        "optional_json_dataset": ["OptionalJSONDataset"],
        "optuna_storage_dataset": ["OptunaStorageDataset"],
        "partitioned_parquet_dataset": ["PartitionedParquetDataset"],
        "raw_csv_dataset": ["RawCSVDataset"],
        "safetensors_dataset": ["SafetensorsDataset"],
        "skops_dataset": ["SkopsDataset"],
    },
)
