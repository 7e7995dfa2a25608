from kedro.pipeline import Node, Pipeline

from small.nodes import add, double, write


def register_pipelines():
    pipelines = {
        "doubling": Pipeline([Node(double, ["numbers", "params:wait_for"], "doubles", name="double")]),
        "adding": Pipeline([Node(add, "doubles", "total", name="add")]),
        "writing": Pipeline([Node(write, ["total", "doubles"], "text", name="write")]),
    }
    return {**pipelines, "__default__": sum(pipelines.values(), start=Pipeline([]))}
