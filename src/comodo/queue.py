"""The queue under its name of the first version: see `comodo.objectives.queue`."""

from comodo.objectives.queue import EmbeddingQueue, initial_queue_indices

__all__ = ["EmbeddingQueue", "initial_queue_indices"]
