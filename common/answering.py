"""A model that answers questions, asked many at once."""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy

from common import config
from common.memory import keep_freed_memory
from common.np import np, to_cpu

AT_ONCE = 512  # questions that a model answers at a time: its memory grows with their number


def generate_all(
    model: Any, questions: Any, start_id: int, sample_size: int, stop_id: int | None = None, batch_size: int = AT_ONCE
) -> Any:
    """What ``model.generate_batch`` answers to any number of questions (n, S): an array (n, sample_size) on the host.

    It gets `batch_size` questions at a time, in sorted order, since what neighbours have in common at their beginning
    is read faster. A model with a method ``_replicas(number)``, which gives as many copies of it as it is asked for, or
    none, answers on all cores.
    """
    order = _sorted(to_cpu(questions))
    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    stop = () if stop_id is None else (stop_id,)

    def answer(worker: Any, rows: Any) -> Any:
        return to_cpu(np.asarray(worker.generate_batch(questions[np.asarray(rows)], start_id, sample_size, *stop)))

    workers = [model]
    if len(parts) > 1 and hasattr(type(model), "_replicas"):  # its own, not those of a model that it is wrapped around
        workers += model._replicas(min(_threads(), len(parts)) - 1)
    samples = numpy.concatenate(_share_out(answer, workers, parts))
    return samples[order.argsort()]


def _sorted(questions: Any) -> Any:
    """The order that sorts rows of ids (n, S); that of the rows as they are for anything else."""
    if questions.ndim == 2 and questions.size and questions.dtype.kind in "iu":
        return numpy.lexsort(questions.T[::-1])
    return numpy.arange(len(questions))


def _threads() -> int:
    """On how many threads the BLAS works. If on one, threads of our own gain nothing, nor do they on the GPU: 1."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:  # in an installation older than this dependency
        return 1
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return 1 if config.GPU else max((library["num_threads"] for library in libraries), default=1)


def _share_out(work: Callable[[Any, Any], Any], workers: Sequence[Any], parts: Sequence[Any]) -> list[Any]:
    """[work(worker, part) for each part], each of the workers on a thread of its own if there are several.

    The BLAS is held to one thread for each of them. It does no more than the products, and these do not use a second
    core fully; two of ours also share out all the rest, as long as it is in arrays of some size.
    """
    if len(workers) == 1:
        return [work(workers[0], part) for part in parts]
    from threadpoolctl import threadpool_limits

    free: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def on_a_thread(part: Any) -> Any:
        worker = free.get()
        try:
            return work(worker, part)
        finally:
            free.put(worker)

    with keep_freed_memory(), threadpool_limits(1, "blas"), ThreadPoolExecutor(len(workers)) as pool:
        return list(pool.map(on_a_thread, parts))
