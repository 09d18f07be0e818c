"""executors: where networks are trained, on this machine or on the nodes of a Ray cluster.

A training is a value: whoever gets it needs nothing but the bytes of its data set. Executors only
train; the store is written by the one process that asks them to. Ray is imported by `ray_executor`
alone.
"""

from deltanas_agent.executors.cluster import Cluster
from deltanas_agent.executors.local import LocalExecutor
from deltanas_agent.executors.port import Ended, Executor, Fault, Training

__all__ = ["Cluster", "Ended", "Executor", "Fault", "LocalExecutor", "Training"]
