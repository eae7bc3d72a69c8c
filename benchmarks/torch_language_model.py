"""The language models of chapter 6 in PyTorch, and one training step of theirs: the peer of the benchmarks."""

from itertools import pairwise
from typing import Any

import torch
from torch import nn

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class LanguageModel(nn.Module):
    """Embedding, then `layers` times dropout and a recurrent layer, dropout, linear; weights drawn as ours are.

    `widths` are those of the embedding and of each layer. With `weight_drop`, the recurrent weights, and the inputs of
    the layers by masks that all steps share, are dropped: the regularisation of an AWD-LSTM.
    """

    def __init__(
        self, vocab_size: int, widths: list[int], dropout: float = 0.0, tied: bool = False, cell: str = "lstm",
        weight_drop: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embed = nn.Embedding(vocab_size, widths[0])
        self.layers = nn.ModuleList(CELLS[cell](d, h) for d, h in pairwise(widths))
        self.out = nn.Linear(widths[-1], vocab_size)
        self.dropout, self.weight_drop = dropout, weight_drop
        nn.init.normal_(self.embed.weight, std=0.01)
        nn.init.normal_(self.out.weight, std=widths[-1] ** -0.5)
        nn.init.zeros_(self.out.bias)
        for layer in self.layers:
            nn.init.normal_(layer.weight_ih_l0, std=layer.input_size**-0.5)
            nn.init.normal_(layer.weight_hh_l0, std=layer.hidden_size**-0.5)
            for bias in (layer.bias_ih_l0, layer.bias_hh_l0):
                nn.init.zeros_(bias)
            layer.bias_hh_l0.requires_grad_(False)  # one bias is enough
        if tied:
            self.out.weight = self.embed.weight

    def drop(self, x: Any) -> Any:
        """x (T, N, D) with dropout, of each number or, with weight_drop, the same at all steps."""
        if self.weight_drop and self.training:
            return x * nn.functional.dropout(torch.ones_like(x[:1]), self.dropout)
        return nn.functional.dropout(x, self.dropout, self.training)

    def forward(self, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """ids (T, N) and the states of the layers, or Nones -> scores (T, N, V) and the states."""
        h, new = self.embed(x), []
        for layer, state in zip(self.layers, states, strict=True):
            h = self.drop(h)
            if self.weight_drop and self.training:
                dropped = {"weight_hh_l0": nn.functional.dropout(layer.weight_hh_l0, self.weight_drop)}
                h, state = torch.func.functional_call(layer, dropped, (h, state))
            else:
                h, state = layer(h, state)
            new.append(state)
        return self.out(self.drop(h)), new


class Training:
    """Truncated backpropagation through time, with clipping and SGD."""

    def __init__(self, model: LanguageModel, lr: float, max_grad: float = 0.25) -> None:
        self.model, self.max_grad = model, max_grad
        self.params = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(self.params, lr=lr)
        self.states: list[Any] = [None] * len(model.layers)

    def step(self, x: Any, t: Any) -> Any:
        """One iteration on ids x and t (T, N); the loss."""
        states = [s if s is None else s.detach() if torch.is_tensor(s) else tuple(v.detach() for v in s)
                  for s in self.states]  # fmt: skip
        scores, self.states = self.model(x, states)
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), t.flatten())
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.params, self.max_grad)
        self.optimizer.step()
        return loss
