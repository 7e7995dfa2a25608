"""Where everything that a run reads and writes comes from. Knows Kedro, and nothing of what a project is about."""
