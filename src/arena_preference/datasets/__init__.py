"""Dataset types that kedro-datasets lacks. They write atomically, and none of them unpickles."""

import lazy_loader

# Loaded on first use: a run without CatBoost models does not import CatBoost.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "atomic_write": ["AtomicWriteHooks"],
        "catboost_dataset": ["CatBoostDataset"],
        "embedding_store_dataset": [
            "EmbeddingCollection",
            "EmbeddingShard",
            "EmbeddingStore",
            "EmbeddingStoreDataset",
            "make_keys",
        ],
        "figures_dataset": ["FiguresDataset", "StoredFigure"],
        "handle_dataset": ["HandleDataset", "open_optuna_journal", "read_optional_json"],
        "marked_csv_dataset": ["MarkedCSVDataset"],
        "marked_tables_dataset": ["MarkedTablesDataset"],
        "model_store": ["ModelStore"],
        "partitioned_parquet_dataset": ["PartitionedParquetDataset"],
        "raw_tables_dataset": ["RawTable", "RawTablesDataset"],
        "safetensors_dataset": ["SafetensorsDataset"],
        "skops_dataset": ["SkopsDataset"],
    },
)
