"""Lineage: what each run read, wrote and cost. Knows Kedro, and nothing of what a project is about."""
