"""The book's ``common.util``: names only, each from the module that says more about it."""

from common.clipping import clip_grads
from common.counts import create_co_matrix, ppmi
from common.evaluation import eval_perplexity, eval_seq2seq
from common.np import np, to_cpu, to_gpu
from common.similarity import analogy, cos_similarity, most_similar, normalize
from common.text import convert_one_hot, create_contexts_target, preprocess

__all__ = [
    "analogy", "clip_grads", "convert_one_hot", "cos_similarity", "create_co_matrix", "create_contexts_target",
    "eval_perplexity", "eval_seq2seq", "most_similar", "normalize", "np", "ppmi", "preprocess", "to_cpu", "to_gpu",
]  # fmt: skip
