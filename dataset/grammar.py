"""Probabilistic context-free grammars without recursion: sampling, exact entropy, exact sentence probabilities.

A grammar rewrites its start symbol until only words are left. A symbol A becomes the sequence α with probability
p(A → α), whatever stands around it, so the probability of a derivation is the product over its rules. Where every
sentence has one derivation only (an *unambiguous* grammar) that product is the probability of the sentence, and the
entropy of a sentence is that of its derivation, which sums up from the words to the start symbol::

    H(A) = Σ_α p(A → α) · [ -ln p(A → α) + Σ_{B in α} H(B) ],    H(word) = 0.

Sources: S. Soule, "Entropies of probabilistic grammars", Information and Control 25 (1974), for the entropy;
J. K. Baker, "Trainable grammars for speech recognition" (1979), for the inside probability.
"""

import itertools
import math
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy

# Words are strings and symbols are tuples, so that ("verb", "plural", "past") carries its features along.
Symbol: TypeAlias = tuple[str, ...]
Expansion: TypeAlias = tuple[str | Symbol, ...]
Rules: TypeAlias = Mapping[Symbol, Mapping[Expansion, float]]


class Inside(NamedTuple):
    """All derivations of some words taken together: the sum of their probabilities, and how many they are."""

    probability: float
    derivations: int


class Grammar:
    """A start symbol, and for each symbol the sequences that it may become.

    ``rules[A][α]`` is a positive weight, which is divided by the sum over all α: ``self.rules[A][α]`` is p(A → α).

    Raises ValueError for a weight that is not positive and finite, an empty sequence, a symbol without rules, and a
    symbol that leads back to itself.
    """

    def __init__(self, start: Symbol, rules: Rules) -> None:
        self.start = start
        self.rules = {symbol: _normalised(symbol, options) for symbol, options in rules.items()}
        self.symbols = self._bottom_up()
        # Cumulative probabilities to draw from. The last, 1, is left out: rounding cannot lead past the last option.
        # Expansions are turned round because a stack is emptied from its end.
        self._draws = {
            symbol: ([*itertools.accumulate(options.values())][:-1], [expansion[::-1] for expansion in options])
            for symbol, options in self.rules.items()
        }
        self._openings = self._rules_by_first_word()

    @property
    def words(self) -> set[str]:
        """All words that occur in sentences."""
        expansions = (expansion for symbol in self.symbols for expansion in self.rules[symbol])
        return {part for expansion in expansions for part in expansion if isinstance(part, str)}

    def sentences(self, rng: numpy.random.Generator) -> Iterator[list[str]]:
        """Draw the words of one sentence after the other, without end.

        `rng` is asked for 4,096 numbers at a time, as one number takes it as long as all else that a rule needs.
        """
        numbers = itertools.chain.from_iterable(iter(lambda: rng.random(4096).tolist(), None))
        while True:
            words: list[str] = []
            stack: list[str | Symbol] = [self.start]
            while stack:
                part = stack.pop()
                if isinstance(part, str):
                    words.append(part)
                else:
                    cumulative, expansions = self._draws[part]
                    stack.extend(expansions[bisect(cumulative, next(numbers)) if cumulative else 0])
            yield words

    def entropy(self) -> float:
        """Entropy of a derivation in nats, which is that of a sentence when the grammar is unambiguous."""
        return self._expectation(of_rule=lambda p: -math.log(p), of_word=0.0)

    def mean_length(self) -> float:
        """Expected number of words of a sentence."""
        return self._expectation(of_rule=lambda p: 0.0, of_word=1.0)

    def inside(self, words: Sequence[str], prefix: bool = False) -> Inside:
        """Probability that a sentence is `words`, and the number of its derivations: (0.0, 0) outside the language.

        With ``prefix=True``, of a sentence that begins with `words`. As whatever a symbol becomes has probability 1 in
        total, a symbol behind the last word counts as one empty derivation.

        Each symbol is expanded once at each position, to the words that it may end before.
        """
        known: dict[tuple[Symbol, int], dict[int, Inside]] = {}

        def ends(part: str | Symbol, start: int) -> dict[int, Inside]:
            """Where `part` may end when it begins at `start`."""
            if start == len(words):
                return {start: Inside(1.0, 1)} if prefix else {}
            if isinstance(part, str):
                return {start + 1: Inside(1.0, 1)} if words[start] == part else {}
            if (part, start) not in known:
                found: dict[int, Inside] = {}
                for expansion in self._openings[part].get(words[start], ()):
                    reached = {start: Inside(self.rules[part][expansion], 1)}
                    for child in expansion:
                        following: dict[int, Inside] = {}
                        for middle, before in reached.items():
                            for end, inner in ends(child, middle).items():
                                _add(
                                    following,
                                    end,
                                    Inside(
                                        before.probability * inner.probability, before.derivations * inner.derivations
                                    ),
                                )
                        reached = following
                    for end, inside in reached.items():
                        _add(found, end, inside)
                known[part, start] = found
            return known[part, start]

        return ends(self.start, 0).get(len(words), Inside(0.0, 0))

    def _expectation(self, of_rule: Callable[[float], float], of_word: float) -> float:
        """Expected sum over a derivation of `of_rule(p)` for each rule used and `of_word` for each word."""
        total: dict[Symbol, float] = {}
        for symbol in self.symbols:
            total[symbol] = sum(
                p * (of_rule(p) + sum(of_word if isinstance(part, str) else total[part] for part in expansion))
                for expansion, p in self.rules[symbol].items()
            )
        return total[self.start]

    def _bottom_up(self) -> list[Symbol]:
        """The symbols that the start symbol leads to, each behind all symbols that it leads to."""
        order: dict[Symbol, None] = {}
        path: list[Symbol] = []

        def visit(symbol: Symbol) -> None:
            if symbol in path:
                raise ValueError(f"Grammar: {symbol} leads back to itself through {path[-1]}; expected no recursion")
            if not self.rules.get(symbol):
                raise ValueError(f"Grammar: {symbol} has no rules, but {path[-1] if path else 'the start'} leads to it")
            path.append(symbol)
            for expansion in self.rules[symbol]:
                for part in expansion:
                    if not isinstance(part, str) and part not in order:
                        visit(part)
            order[path.pop()] = None

        visit(self.start)
        return list(order)

    def _rules_by_first_word(self) -> dict[Symbol, dict[str, list[Expansion]]]:
        """For each symbol and each word that it may begin with, the expansions by which it does."""
        openings: dict[Symbol, dict[str, list[Expansion]]] = {}
        for symbol in self.symbols:
            table: dict[str, list[Expansion]] = {}
            for expansion in self.rules[symbol]:
                first = expansion[0]
                for word in [first] if isinstance(first, str) else openings[first]:
                    table.setdefault(word, []).append(expansion)
            openings[symbol] = table
        return openings


def _normalised(symbol: Symbol, options: Mapping[Expansion, float]) -> dict[Expansion, float]:
    """Weights divided by their sum."""
    for expansion, weight in options.items():
        if not expansion or not 0 < weight < math.inf:
            raise ValueError(
                f"Grammar: {symbol} -> {expansion} with weight {weight}; "
                "expected one word or symbol at least, and a positive, finite weight"
            )
    total = sum(options.values())
    return {expansion: weight / total for expansion, weight in options.items()}


def _add(table: dict[int, Inside], end: int, inside: Inside) -> None:
    """Add to the derivations that end at `end`."""
    p, n = table.get(end, (0.0, 0))
    table[end] = Inside(p + inside.probability, n + inside.derivations)
