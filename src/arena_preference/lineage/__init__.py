"""Lineage: inputs, outputs and costs of each run, in any Kedro project."""
