from kedro.pipeline import node, pipeline

from small.nodes import add, double, write


def register_pipelines():
    pipelines = {
        "doubling": pipeline([node(double, ["numbers", "params:wait_for"], "doubles", name="double")]),
        "adding": pipeline([node(add, "doubles", "total", name="add")]),
        "writing": pipeline([node(write, ["total", "doubles"], "text", name="write")]),
    }
    return {**pipelines, "__default__": sum(pipelines.values())}
