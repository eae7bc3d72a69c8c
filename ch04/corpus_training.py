"""Training word2vec straight from a text, more than ten times faster than from single windows.

    trainer = CorpusTrainer(CBOW(vocab_size, 100, 5, corpus))
    trainer.fit(corpus, max_epoch=10)

Each step takes two stretches of text, computes the gradients that :mod:`ch04.stretch` explains, and moves the vectors
of the words it met. Two threads share the work: for the gradients each takes a stretch, for the update each takes one
of the two weights. So it does not matter which of them is faster, and the results do not depend on their number.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from numbers import Real
from typing import Any

import numpy

from ch04.corpus_training_state import restore, settings_of, take
from ch04.stretch import Rows, cbow_gradients, skip_gram_gradients
from ch04.word2vec import Word2vec
from ch04.word_frequency import keep_probability
from common import config
from common.checkpoint import Checkpoints
from common.checks import check_counts, is_number
from common.files import Location
from common.fit_checkpoints import FitCheckpoints
from common.interrupt import Interrupt
from common.kernels import sum_rows, take_rows
from common.labels import checked_corpus
from common.model_tree import unique_params
from common.np import np, to_cpu
from common.object_tree import generator_states
from common.optimizer import EPSILON
from common.progress import progress, write
from common.rng import Seed, generator

PARALLEL = 2  # stretches of a step
Stretch = tuple[Any, int, Any]  # ids with a window on either side, the window, negatives of each block
BLAS_THRESHOLD = 2**18  # multiplications of a product up to which OpenBLAS starts no threads of its own


class RowAdaGrad:
    """s_v += |g_v|² / H, w_v -= lr g_v / (sqrt(s_v) + 1e-7): AdaGrad with one step size for each row of W (V, H).

    Rare words keep long steps while those of frequent words become short.
    """

    def __init__(self, W: Any) -> None:
        self.W, self.s = W, np.zeros(len(W), W.dtype)

    def update(self, lr: float, gradients: Sequence[Rows]) -> None:
        """A step along the sum of the gradients: in each, rows (M, H) by ids (M,), of which some may be repeated."""
        ids, g = sum_rows(*map(np.concatenate, zip(*gradients, strict=True)))
        s = take_rows(self.s, ids) + np.einsum("ij,ij->i", g, g) / g.shape[1]
        self.s[ids] = s
        g *= (lr / (np.sqrt(s) + EPSILON))[:, None]
        self.W[ids] = np.subtract(take_rows(self.W, ids), g, out=g)


class CorpusTrainer:
    """Trains a CBOW or SkipGram model on a running text.

    learning_rate   (first, last) step size of AdaGrad, which falls evenly, or one number; by default what does well
                    for the model
    sample          threshold of sub-sampling frequent words, such as 1e-3; None keeps all of them
    shrink_windows  windows of all sizes from 1 to window_size equally often, so that near words count more; otherwise
                    all have the full one
    shared          negatives that a block of targets shares, by default 32, or 64 for skip-gram; each target weighs
                    them as sample_size of its own
    stretch         words that are computed at once, about
    threads         1 or 2; the results are the same
    rng             what shuffles, draws negatives and windows, and sub-samples

    loss_list       after each epoch, the loss that model.forward gives for a sample of the windows
    current_epoch   epochs finished; it goes on counting over repeated calls of fit
    iteration       steps finished of the current epoch, which has `iterations`

    Raises TypeError and ValueError naming a setting that makes no sense.
    """

    def __init__(
        self,
        model: Word2vec,
        learning_rate: float | tuple[float, float] | None = None,
        *,
        sample: float | None = None,
        shrink_windows: bool = True,
        shared: int | None = None,
        stretch: int = 1024,
        threads: int = 2,
        rng: Seed = None,
    ) -> None:
        skip_gram = model.predicts_contexts  # not the class, of which there are two if ch04 is in sys.path itself
        if shared is None:
            shared = 64 if skip_gram else 32
        check_counts("CorpusTrainer", shared=shared, stretch=stretch, threads=threads)
        if threads > PARALLEL:
            raise ValueError(f"CorpusTrainer: threads must be 1 or 2, not {threads}")
        if sample is not None and not (is_number(sample) and sample > 0):
            raise ValueError(f"CorpusTrainer: sample must be positive, or None to keep all words, not {sample!r}")
        if learning_rate is None:
            learning_rate = (0.1, 0.1) if skip_gram else (0.2, 0.1)
        self.model, self.rng = model, generator(rng)
        self.learning_rate = _first_and_last(learning_rate)
        self.sample, self.shared, self.shrink_windows = sample, shared, shrink_windows
        self.stretch, self.threads, self._skip_gram = stretch, threads, skip_gram
        self.optimizers = [RowAdaGrad(W) for W in model.params]
        self.loss_list: list[float] = []
        self.current_epoch = self.iteration = self.iterations = 0
        self.drawn: dict[str, Any] = {}  # the states of the generators when the current epoch began
        self._fits = FitCheckpoints(take, restore)
        # A window is drawn for each stretch, but for skip-gram, where the mean over all windows costs nothing.
        self._draw_windows = shrink_windows and not skip_gram
        self._gradients = partial(skip_gram_gradients, shrink=shrink_windows) if skip_gram else cbow_gradients
        sampler = model.ns_loss.sampler
        others = np.maximum(1 - sampler.word_p, 2**-53)  # of a word with almost all of p, rounding leaves 0
        # By word, what each of the shared negatives weighs beside it as a target: S / K / (1 - p) of ch04.stretch.
        self._share = (sampler.sample_size / shared / others).astype(model.word_vecs.dtype)

    def fit(
        self,
        corpus: Any,
        max_epoch: int = 10,
        verbose: bool = True,
        *,
        checkpoint: "Checkpoints | Location | None" = None,
    ) -> None:
        """Train for `max_epoch` passes over the ids (n,), and print a line for each.

        checkpoint   the folder that keeps the state of the training, or Checkpoints: with resume=True a training that
                     was cut off goes on from there with the same bits on the CPU

        Raises ValueError for a corpus shorter than one window, also after sub-sampling, or with ids that the model has
        not, and FloatingPointError when the loss is not finite.
        """
        words = len(self.model.word_vecs)
        ids = to_cpu(checked_corpus("CorpusTrainer.fit", corpus, words))
        ids = ids.astype(numpy.min_scalar_type(words - 1))  # ids of 16 bits are sorted several times faster
        check_counts("CorpusTrainer.fit", max_epoch=max_epoch)
        counts = numpy.bincount(ids, minlength=words)
        keep = keep_probability(counts, self.sample)  # by word
        # Before the checkpoints of an earlier training are put aside; what chance may leave is looked at in each epoch.
        self._check_length(len(ids), float(keep @ counts))
        self.iteration, fits = 0, self._fits
        fits.start(self, checkpoint, settings_of(self, ids, max_epoch), max_epoch)
        done, start = self.current_epoch, time.perf_counter()
        with fits.blamed():
            with ThreadPoolExecutor(self.threads) as pool, Interrupt() as interrupt:
                run = map if self.threads == 1 or config.GPU else pool.map
                while self.current_epoch < fits.end and not interrupt.requested:
                    self._train_epoch(ids, keep, run, interrupt)
                    if self.iteration == self.iterations:
                        self._finish_epoch(ids)
                        if verbose:
                            self._print_line(time.perf_counter() - start, len(ids) * (self.current_epoch - done))
                        if not interrupt.requested:
                            fits.save_after_epoch()
                path = fits.save()
            if interrupt.requested:
                raise fits.interrupted(path)

    def _print_line(self, seconds: float, words: int) -> None:
        speed, loss = f"{words / seconds / 1000:.0f}k words/s", f"loss {self.loss_list[-1]:.2f}"
        write(f"| epoch {self.current_epoch} | time {seconds:.1f}[s] | {speed} | {loss}")

    def _train_epoch(
        self, ids: numpy.ndarray, keep: numpy.ndarray, run: Callable[..., Iterable[Any]], interrupt: Interrupt
    ) -> None:
        """The steps of an epoch that are left to do, or until Ctrl-C, with checkpoints."""
        self.drawn = generator_states(self)
        text = ids if self.sample is None else ids[self.rng.random(len(ids)) < keep[ids]]
        self._check_length(len(ids), len(text))
        steps = self._steps(np.asarray(text))
        self.iterations = len(steps)
        (first, last), fits = self.learning_rate, self._fits
        for i, stretches in enumerate(progress(steps, f"epoch {self.current_epoch + 1} / {fits.end}")):
            if i < self.iteration:
                continue
            done = (self.current_epoch - fits.begin + i / len(steps)) / (fits.end - fits.begin)
            self._step(stretches, first + (last - first) * done, run)
            self.iteration = i + 1
            if interrupt.requested:
                break
            if fits.due():
                self._check_weights()
                fits.save()
        self._check_weights()

    def _finish_epoch(self, ids: numpy.ndarray) -> None:
        self.loss_list.append(self._loss(ids))
        self.current_epoch += 1
        self.iteration = 0

    def _check_weights(self) -> None:
        """FloatingPointError naming a weight that is not finite, which the loss of some windows may not show."""
        for name, param in unique_params(self.model).items():
            if not bool(np.isfinite(param).all()):
                bad = f"weight {name} of shape {param.shape} holds NaN or infinity"
                epoch = self.current_epoch + 1
                raise FloatingPointError(f"epoch {epoch}: training has diverged, {bad}; a lower learning rate may help")

    def _check_length(self, words: int, left: float) -> None:
        """ValueError for a text of so many words, or what sub-sampling leaves of it, that is shorter than a window."""
        window = self.model.window_size
        if left < 2 * window + 1:
            sampled = f", of which sample {self.sample} leaves {left:.3g}" if words > 2 * window else ""
            takes = f"a window of {window} takes {2 * window + 1} words"
            raise ValueError(f"CorpusTrainer.fit: {takes}, got {words}{sampled}")

    def _step(self, stretches: Sequence[Stretch], learning_rate: float, run: Callable[..., Iterable[Any]]) -> None:
        """The gradients of all stretches, then an update of each weight; `run` is map, or that of the threads."""
        of_in, of_out = zip(*run(self._gradient, stretches), strict=True)
        updates = [(self.optimizers[0], of_in), (self.optimizers[1], of_out)]
        list(run(lambda update: update[0].update(learning_rate, update[1]), updates))

    def _gradient(self, stretch: Stretch) -> tuple[Rows, Rows]:
        W_in, W_out = self.model.params
        return self._gradients(W_in, W_out, *stretch, self._share)

    def _steps(self, text: Any) -> list[list[Stretch]]:
        """The stretches of an epoch in random order, for steps of PARALLEL each."""
        window = self.model.window_size
        free = len(text) - 2 * window
        block = min(self._block(), free)
        length = max(free // -(-free // self.stretch) // block, 1) * block
        # The text is read as a ring, from a random place: so the words that are left over are others in each epoch.
        text = np.roll(text, int(self.rng.integers(len(text))))
        starts = numpy.arange(0, free - length + 1, length)
        self.rng.shuffle(starts)
        windows = self.rng.integers(1, window + 1, len(starts)) if self._draw_windows else [window] * len(starts)
        negatives = self.model.ns_loss.sampler.draw((len(starts), length // block, self.shared)).astype(text.dtype)
        stretches = [
            (text[start + window - near : start + window + length + near], near, drawn)
            for start, near, drawn in zip(starts.tolist(), map(int, windows), negatives, strict=True)
        ]
        return [stretches[i : i + PARALLEL] for i in range(0, len(stretches), PARALLEL)]

    def _block(self) -> int:
        """Words of a block: many, while its products stay small enough for one core to do each at once."""
        width, window = self.model.word_vecs.shape[1], self.model.window_size
        for size in (128, 64, 32, 16):
            columns = max(self.shared, size + 2 * window) if self._skip_gram else self.shared
            if size * width * columns <= BLAS_THRESHOLD:
                return size
        return 8

    def _loss(self, ids: numpy.ndarray) -> float:
        """The model's loss for 500 windows at random places. FloatingPointError if it is not finite."""
        window = self.model.window_size
        places = self.rng.integers(window, len(ids) - window, 500)[:, None]
        around = numpy.delete(numpy.arange(-window, window + 1), window)
        loss = float(self.model.forward(np.asarray(ids[places + around]), np.asarray(ids[places[:, 0]])))
        if not numpy.isfinite(loss):
            epoch = self.current_epoch + 1
            raise FloatingPointError(f"epoch {epoch}: the loss is {loss}; a lower learning rate may help")
        return loss


def _first_and_last(learning_rate: Any) -> tuple[float, float]:
    """The pair of a learning rate that is one number or a pair. ValueError unless both are positive."""
    pair: Any = (learning_rate, learning_rate) if isinstance(learning_rate, Real) else learning_rate
    if not isinstance(pair, Sequence) or [is_number(r) and r > 0 for r in pair] != [True, True]:
        raise ValueError(
            "CorpusTrainer: learning_rate must be a positive number, or two of them (first, last), "
            f"not {learning_rate!r}"
        )
    return float(pair[0]), float(pair[1])
