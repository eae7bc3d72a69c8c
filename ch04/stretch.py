"""The gradients of word2vec for a whole stretch of text at once.

One by one, each word of a text needs the vectors of its window and of its own negatives: hundreds of thousands of
small products. Two observations turn them into few large ones.

Neighbouring windows overlap. The B words of a stretch and the w words on either side of it are looked up once; the sums
over all windows are partial sums of rows that neighbours share.

Negatives may be shared. For a target t, S negatives of its own are drawn with probability p(k) / (1 - p(t)), the target
excluded. If instead a block of targets gets the same K words, drawn with probability p(k), and each of them counts

    S / K / (1 - p(t))    where it is not the target itself, else 0,

then the expected loss, and so the expected gradient, is the same; but h · w_k of a whole block is one matrix product,
and K > S negatives make the gradient less noisy.

Both functions return the gradients of W_in and W_out (V, H), summed over the stretch, as (ids, rows) in which ids may
be repeated. ids (B + 2w,) is the stretch with w words on either side, negatives (blocks, K) ids for each of the equal
blocks it is cut into, and share (V,) is S / K / (1 - p). Sources: Mikolov et al. 2013; Ji et al., "Parallelizing
Word2Vec in Shared and Distributed Memory", 2016, for the shared negatives.
"""

from typing import Any

from common.functions import sigmoid
from common.np import np

Rows = tuple[Any, Any]


def cbow_gradients(W_in: Any, W_out: Any, ids: Any, window: int, negatives: Any, share: Any) -> tuple[Rows, Rows]:
    """For each of the B words, the mean h of the vectors of the 2w words around it predicts it."""
    width, blocks = W_in.shape[1], len(negatives)
    target = ids[window : len(ids) - window]
    h = window_sums(np.take(W_in, ids, axis=0), window)
    h *= 1 / (2 * window)
    positive_rows, negative_rows = np.take(W_out, target, axis=0), np.take(W_out, negatives, axis=0)

    dpositive = (sigmoid(np.einsum("ij,ij->i", h, positive_rows)) - 1)[:, None]
    h_blocks, target_blocks = h.reshape(blocks, -1, width), target.reshape(blocks, -1, 1)
    dnegative = sigmoid(h_blocks @ negative_rows.swapaxes(1, 2))  # (blocks, words of a block, K)
    dnegative *= np.take(share, target_blocks)
    dnegative *= target_blocks != negatives[:, None]

    dh = (dnegative @ negative_rows).reshape(h.shape)
    dnegative_rows = (dnegative.swapaxes(1, 2) @ h_blocks).reshape(-1, width)
    positive_rows *= dpositive
    dh += positive_rows
    dh *= 1 / (2 * window)
    h *= dpositive
    out = np.concatenate((target, negatives.reshape(-1))), np.concatenate((h, dnegative_rows))
    return (ids, window_sums_backward(dh, window)), out


def skip_gram_gradients(
    W_in: Any, W_out: Any, ids: Any, window: int, negatives: Any, share: Any, shrink: bool = False
) -> tuple[Rows, Rows]:
    """The vector h of each of the B words predicts every one of the 2w words around it.

    shrink: the mean of the gradients for all windows from 1 to w, as if each were drawn equally often.
    """
    width, blocks = W_in.shape[1], len(negatives)
    target = ids[window : len(ids) - window].reshape(blocks, -1)
    size = target.shape[1]
    # The words around the targets of a block; band[i, j] is how often the j-th of them is in the window of target i.
    near = ids[size * np.arange(blocks)[:, None] + np.arange(size + 2 * window)]
    band = window_band(size, window, shrink, W_in.dtype)
    h, near_rows = np.take(W_in, target, axis=0), np.take(W_out, near, axis=0)
    negative_rows = np.take(W_out, negatives, axis=0)

    dpositive = sigmoid(h @ near_rows.swapaxes(1, 2))  # (blocks, targets, words around them)
    dpositive -= 1
    dpositive *= band
    dnegative = sigmoid(h @ negative_rows.swapaxes(1, 2))  # (blocks, targets, K)
    # A word near the target is what its negatives are negatives of: it has them for each window that it is in.
    dnegative *= band @ (np.take(share, near)[:, :, None] * (near[:, :, None] != negatives[:, None]))

    dh = dpositive @ near_rows
    dh += dnegative @ negative_rows
    rows = dpositive.swapaxes(1, 2) @ h, dnegative.swapaxes(1, 2) @ h
    out_ids = np.concatenate((near.reshape(-1), negatives.reshape(-1)))
    out = out_ids, np.concatenate([part.reshape(-1, width) for part in rows])
    return (target.reshape(-1), dh.reshape(-1, width)), out


def window_sums(x: Any, window: int) -> Any:
    """Sums over the w rows before and the w rows after each row that has so many: x (B + 2w, H) -> (B, H)."""
    count, sides = len(x) - 2 * window, run_sums(x, window)
    return sides[:count] + sides[window + 1 : window + 1 + count]


def window_sums_backward(dsums: Any, window: int) -> Any:
    """dx (B + 2w, H) for the gradient (B, H) of the sums: row i is in the windows of the rows around it, as they are in
    its own. So these are window sums too, with zeros where there is no window."""
    padded = np.zeros((len(dsums) + 4 * window, dsums.shape[1]), dsums.dtype)
    padded[2 * window : -2 * window] = dsums
    return window_sums(padded, window)


def run_sums(x: Any, length: int) -> Any:
    """Sums of `length` rows that follow each other, made of sums of half as many."""
    if length == 1:
        return x
    half = length // 2
    halves, count = run_sums(x, half), len(x) - length + 1
    sums = halves[:count] + halves[half : half + count]
    if length % 2:
        sums += x[length - 1 :]
    return sums


def window_band(size: int, window: int, shrink: bool, dtype: Any) -> Any:
    """(B, B + 2w) ones where column j, counted from -w, is at most w from row i, but not i itself; 0 elsewhere.

    shrink: instead of 1, the share of the windows from 1 to w that are wide enough, (w + 1 - distance) / w.
    """
    distance = abs(np.arange(-window, size + window) - np.arange(size)[:, None])
    near = (distance > 0) & (distance <= window)
    return (near * (window + 1 - distance) / window if shrink else near).astype(dtype)
