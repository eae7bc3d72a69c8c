"""Exact quantities of a grammar against a list of all its sentences."""

import itertools
import math
from collections import Counter

import numpy
import pytest

from dataset.grammar import Grammar

START = ("s",)


def derivations(grammar, part):
    """All (words, probability) that a symbol leads to, one entry for each derivation."""
    if isinstance(part, str):
        return [((part,), 1.0)]
    found = []
    for expansion, p in grammar.rules[part].items():
        parts = itertools.product(*(derivations(grammar, child) for child in expansion))
        found += [(sum((words for words, _ in row), ()), p * math.prod(q for _, q in row)) for row in parts]
    return found


def random_grammar(seed):
    """Layers of symbols, each of which leads to words and to symbols of later layers."""
    rng = numpy.random.default_rng(seed)
    rules = {}
    for layer in range(3):
        for i in range(1 if layer == 0 else 2):
            choices = [*"abc", *((str(deeper), str(j)) for deeper in range(layer + 1, 3) for j in range(2))]
            expansions = {
                tuple(choices[k] for k in rng.integers(len(choices), size=rng.integers(1, 4))): float(
                    rng.uniform(0.1, 3)
                )
                for _ in range(3)
            }
            rules[START if layer == 0 else (str(layer), str(i))] = expansions
    return Grammar(START, rules)


@pytest.fixture
def numbered():
    """Two choices that only the last word tells: the subject's number, at a distance."""
    return Grammar(
        START,
        {
            START: {(("noun", "one"), ("middle",), "sings"): 3, (("noun", "many"), ("middle",), "sing"): 1},
            ("noun", "one"): {("king",): 1, ("queen",): 1},
            ("noun", "many"): {("kings",): 2, ("queens",): 1, ("princes",): 1},
            ("middle",): {("often",): 1, ("near", "rivers"): 3},
        },
    )


def test_worked_example(numbered):
    assert numbered.rules[START] == {
        (("noun", "one"), ("middle",), "sings"): 0.75,
        (("noun", "many"), ("middle",), "sing"): 0.25,
    }
    # ln 2 nats are one bit: H(3/4) of number and of middle, one bit for a singular noun, 1.5 for a plural one.
    quarter = 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    assert numbered.entropy() == pytest.approx(2 * quarter + (0.75 + 0.25 * 1.5) * math.log(2))
    assert numbered.mean_length() == pytest.approx(3.75)
    assert numbered.inside(["queen", "near", "rivers", "sings"]) == (pytest.approx(0.75 * 0.5 * 0.75), 1)
    assert numbered.inside(["queen", "near", "rivers", "sing"]) == (0.0, 0)
    assert numbered.inside(["queens", "near"], prefix=True).probability == pytest.approx(0.25 * 0.25 * 0.75)
    assert numbered.words == {"king", "queen", "kings", "queens", "princes", "often", "near", "rivers", "sing", "sings"}


@pytest.mark.parametrize("seed", range(20))
def test_against_enumeration(seed):
    grammar = random_grammar(seed)
    everything = derivations(grammar, START)
    assert grammar.entropy() == pytest.approx(-sum(p * math.log(p) for _, p in everything))
    assert grammar.mean_length() == pytest.approx(sum(p * len(words) for words, p in everything))
    for options in grammar.rules.values():
        assert sum(options.values()) == pytest.approx(1)

    number, probability, beginning = Counter(), Counter(), Counter()
    for words, p in everything:
        number[words] += 1
        probability[words] += p
        for end in range(len(words) + 1):
            beginning[words[:end]] += p
    for words in list(probability)[:50]:
        assert grammar.inside(words) == (pytest.approx(probability[words]), number[words])
        for end in range(len(words) + 1):
            assert grammar.inside(words[:end], prefix=True).probability == pytest.approx(beginning[words[:end]])
    assert grammar.inside([]) == grammar.inside(["z"]) == grammar.inside(["z"], prefix=True) == (0.0, 0)


def test_ambiguity_is_counted():
    grammar = Grammar(START, {START: {(("x",), "b"): 1, ("a", ("y",)): 1}, ("x",): {("a",): 1}, ("y",): {("b",): 1}})
    assert grammar.inside(["a", "b"]) == (pytest.approx(1.0), 2)


def test_sampling_follows_the_probabilities(numbered):
    rng = numpy.random.default_rng(0)
    n = 20_000
    drawn = Counter(map(tuple, itertools.islice(numbered.sentences(rng), n)))
    expected = dict(derivations(numbered, START))
    assert set(drawn) == set(expected)
    # Pearson's statistic has mean k - 1 and variance 2 (k - 1) for k sentences.
    k = len(expected)
    statistic = sum((drawn[words] - n * p) ** 2 / (n * p) for words, p in expected.items())
    assert statistic < k - 1 + 5 * math.sqrt(2 * (k - 1))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({}, r"\('s',\) has no rules, but the start"),
        ({START: {}}, r"\('s',\) has no rules, but the start"),
        ({START: {("a", ("x",)): 1}}, r"\('x',\) has no rules, but \('s',\) leads to it"),
        ({START: {(): 1}}, r"-> \(\) with weight 1; expected one word or symbol"),
        ({START: {("a",): 0}}, "weight 0; expected .* positive"),
        ({START: {("a",): -1.5}}, r"weight -1\.5; expected .* positive"),
        ({START: {("a",): math.nan}}, "weight nan; expected .* finite"),
        ({START: {("a",): math.inf}}, "weight inf; expected .* finite"),
        ({START: {("a", START): 1, ("a",): 1}}, r"\('s',\) leads back to itself through \('s',\)"),
        (
            {START: {(("x",),): 1}, ("x",): {("a", ("y",)): 1}, ("y",): {(("x",), "b"): 1, ("b",): 1}},
            r"\('x',\) leads back to itself through \('y',\)",
        ),
    ],
)
def test_misuse(rules, message):
    with pytest.raises(ValueError, match=f"Grammar: .*{message}"):
        Grammar(START, rules)
