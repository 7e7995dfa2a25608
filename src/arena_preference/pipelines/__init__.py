"""The pipelines, one room each: nodes.py holds pure functions, options.py their parameters, pipeline.py the wiring."""
