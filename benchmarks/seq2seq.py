"""The models of chapters 7 and 8: one training iteration against PyTorch, and the scoring of 5,000 test questions.

    python benchmarks/seq2seq.py [seq2seq peeky attention score_additions score_dates]

An iteration is a batch of 128 of the shapes of ``addition.txt`` (seq2seq, peeky) or ``date.txt`` (attention), with Adam
and clipping as the book has them. The ids are random, on which the time does not depend. Scoring answers the whole test
part of the files by an untrained model and counts the right answers; no peer is measured with it.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy
import side_by_side

SHAPES = {  # vocabulary, question, answer with start symbol, hidden width
    "seq2seq": (13, 7, 5, 128),
    "peeky": (13, 7, 5, 128),
    "attention": (59, 29, 11, 256),
}
BATCH, WIDTH = 128, 16
ITERATIONS = {"seq2seq": 100, "peeky": 100, "attention": 25}


def ids(kind: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    vocab, question, answer, _ = SHAPES[kind]
    rng = numpy.random.default_rng(0)
    count = BATCH * ITERATIONS[kind]
    return rng.integers(vocab, size=(count, question)), rng.integers(vocab, size=(count, answer))


def model(kind: str, vocab: int, hidden_size: int):
    from ch08.answerer import MODELS, ModelKind

    return MODELS[ModelKind(kind)](vocab, WIDTH, hidden_size, rng=0)


def ours(kind: str) -> Mapping[str, float]:
    from common.optimizer import Adam
    from common.trainer import Trainer

    vocab, _, _, hidden_size = SHAPES[kind]
    x, t = ids(kind)
    trainer = Trainer(model(kind, vocab, hidden_size), Adam(), rng=0)
    trainer.fit(x[: 3 * BATCH], t[: 3 * BATCH], 1, BATCH, 5.0, eval_interval=None)  # to warm up
    start = time.perf_counter()
    trainer.fit(x, t, 1, BATCH, 5.0, eval_interval=None)
    return {"seconds": (time.perf_counter() - start) / ITERATIONS[kind]}


def pytorch(kind: str) -> Mapping[str, float]:
    import torch
    from torch import nn

    vocab, _, _, width = SHAPES[kind]
    peeky, attends = kind == "peeky", kind == "attention"
    enc_embed, dec_embed = nn.Embedding(vocab, WIDTH), nn.Embedding(vocab, WIDTH)
    encoder = nn.LSTM(WIDTH, width, batch_first=True)
    decoder = nn.LSTM(WIDTH + width * peeky, width, batch_first=True)
    affine = nn.Linear(width * (1 + (peeky or attends)), vocab)
    params = [p for part in (enc_embed, dec_embed, encoder, decoder, affine) for p in part.parameters()]
    optimizer, loss_of = torch.optim.Adam(params), nn.CrossEntropyLoss()

    def iteration(question, answer) -> None:
        hs, (h, _) = encoder(enc_embed(question))
        x = dec_embed(answer[:, :-1])
        peek = h[0][:, None].expand(-1, x.shape[1], -1)
        d, _ = decoder(torch.cat([peek, x], 2) if peeky else x, (h, torch.zeros_like(h)))
        if peeky:
            d = torch.cat([peek, d], 2)
        if attends:
            d = torch.cat([torch.softmax(d @ hs.transpose(1, 2), -1) @ hs, d], 2)
        loss = loss_of(affine(d).reshape(-1, vocab), answer[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(params, 5.0)
        optimizer.step()
        loss.item()

    x, t = (torch.from_numpy(a) for a in ids(kind))
    batches = list(zip(x.split(BATCH), t.split(BATCH), strict=True))
    for batch in batches[:3]:
        iteration(*batch)
    start = time.perf_counter()
    for batch in batches:
        iteration(*batch)
    return {"seconds": (time.perf_counter() - start) / len(batches)}


def score(file_name: str, kind: str, hidden_size: int) -> Mapping[str, float]:
    from common.evaluation import seq2seq_accuracy
    from dataset import pairs

    data = pairs.load(file_name)
    untrained = model(kind, len(data.codec.questions), hidden_size)
    seq2seq_accuracy(untrained, data.x_test[:500], data.t_test[:500])  # to warm up
    start = time.perf_counter()
    seq2seq_accuracy(untrained, data.x_test, data.t_test)
    return {"seconds": time.perf_counter() - start}


TASKS: dict[str, Mapping[str, Callable[[], Mapping[str, float]]]] = {
    kind: {"ours": partial(ours, kind), "pytorch": partial(pytorch, kind)} for kind in SHAPES
}
TASKS["score_additions"] = {"ours": partial(score, "addition.txt", "peeky", 128)}
TASKS["score_dates"] = {"ours": partial(score, "date.txt", "attention", 256)}

if __name__ == "__main__":
    side_by_side.main(TASKS)
