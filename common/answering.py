"""A model that answers questions, asked many at once."""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy

from common.memory import keep_freed_memory
from common.np import np, to_cpu
from common.threads import THREADS, blas_on_one_thread, blas_threads, same_warnings

AT_ONCE = 640  # questions that a model answers at a time: its memory grows with their number


def generate_all(
    model: Any, questions: Any, start_id: int, sample_size: int, stop_id: int | None = None, batch_size: int = AT_ONCE
) -> Any:
    """What ``model.generate_batch`` answers to any number of questions (n, S): an array (n, sample_size) on the host.

    It gets `batch_size` questions at a time. If the model has a method ``_copy_to_answer``, and this gives copies of it
    rather than None, these get them in sorted order, since what neighbours have in common at their beginning is read
    faster, and on several threads. ValueError for another shape of what it answers.
    """
    copy_of: Any = getattr(type(model), "_copy_to_answer", None)  # not that of a model which this one is wrapped around
    worker = copy_of(model) if copy_of else None
    order = numpy.arange(len(questions)) if worker is None else _sorted(to_cpu(questions))
    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    stop = () if stop_id is None else (stop_id,)

    def answer(worker: Any, rows: Any) -> Any:
        samples = worker.generate_batch(questions[np.asarray(rows)], start_id, sample_size, *stop)
        samples, expected = to_cpu(np.asarray(samples)), (len(rows), sample_size)
        if samples.shape != expected:
            name = type(model).__name__
            raise ValueError(f"{name}.generate_batch: expected {expected} ids of answers, got {samples.shape}")
        return samples

    samples = None
    if worker is not None and len(parts) > 1 and (threads := min(blas_threads(), THREADS, len(parts))) > 1:
        samples = _share_out(answer, [worker, *(copy_of(model) for _ in range(threads - 1))], parts)
    if samples is None:
        samples = [answer(model if worker is None else worker, rows) for rows in parts]
    return numpy.concatenate(samples)[order.argsort()]


def _sorted(questions: Any) -> Any:
    """The order that sorts rows of ids (n, S); that of the rows as they are for anything else."""
    if questions.ndim == 2 and questions.size and questions.dtype.kind in "iu":
        return numpy.lexsort(questions.T[::-1])
    return numpy.arange(len(questions))


def _share_out(work: Callable[[Any, Any], Any], workers: Sequence[Any], parts: Sequence[Any]) -> list[Any] | None:
    """[work(worker, part) for each part], each of the workers on a thread of its own; None if there can be no threads.

    The BLAS is held to one thread for each of them. It does no more than the products, and these do not use a second
    core fully; threads of ours also share out all the rest, as long as it is in arrays of some size.
    """
    free: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)
    warnings = same_warnings()

    def on_a_thread(part: Any) -> Any:
        worker = free.get()
        try:
            with warnings():
                return work(worker, part)
        finally:
            free.put(worker)

    with blas_on_one_thread() as held:
        if not held:  # by us; others do it already, on threads of their own
            return None
        with keep_freed_memory(), ThreadPoolExecutor(len(workers)) as pool:
            try:
                results = pool.map(on_a_thread, parts)
            except RuntimeError:  # no thread can be started any more, as at the end of the process
                return None
            return list(results)
