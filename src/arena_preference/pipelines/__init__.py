"""The pipelines, one package each: config.py has the parameters, pipeline.py the wiring, the others the nodes."""
