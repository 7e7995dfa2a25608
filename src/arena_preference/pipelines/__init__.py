"""The pipelines, one room each: nodes.py holds pure functions, config.py their parameters, pipeline.py the wiring."""
