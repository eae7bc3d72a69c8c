"""The rules of the ``mini`` corpus.

Every sentence has one tense t, and a subject of one lexeme l, gender g and number n. All of these are chosen early and
show late: the verb agrees with a noun from which a place or a clause may separate it, an adverb at the front decides
the tense up to the end of the sentence, pronouns repeat gender and number, and actions, things and places suit the
lexeme::

    sentence  → [time t] clause t [time t] <eos>          at most one of the two adverbs
    clause    → determiner n, person l g n t              "these very noble queens ..."
    person    → [[degree] quality l] noun l g n [modifier] predicate
    modifier  → location l | who state n t, location l | named names g n
    predicate → action l n t, object l g n [ending] | reflexive n t, himself g n [ending]
                | state n t (location l | home l g n)
    object    → (article | his g n) [look] thing l
    location  → preposition article [look] place l
    home      → preposition his g n [look] place l
    ending    → location l | home l g n | and he g n, reflexive n t, himself g n | and he g n, state n t, location l

A word tells every choice that led to it, so no sentence has two derivations.
"""

import functools
from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import TypeAlias, TypeVar

from common.text import EOS
from dataset.grammar import Expansion, Grammar, Symbol
from dataset.mini_lexicon import (
    ARTICLES,
    BE,
    DEGREES,
    DETERMINERS,
    GENDERS,
    LOOKS,
    NAMES,
    NUMBERS,
    PREPOSITIONS,
    PRONOUNS,
    REFLEXIVES,
    STATES,
    TENSES,
    TIMES,
    TOPICS,
    Action,
    Lexeme,
    Topic,
    Verb,
)

RulesInMaking: TypeAlias = dict[Symbol, dict[Expansion, float]]
Item = TypeVar("Item")

# A lexeme takes the word of its own position with the first weight, the next one with the second, and so on.
FAVOURITES = (6, 2, 1, 1)


@functools.cache
def grammar() -> Grammar:
    """The grammar of the corpus."""
    rules: RulesInMaking = {}
    _add_shared(rules)
    for topic in TOPICS:
        for position, lexeme in enumerate(topic.lexemes):
            _add_lexeme(rules, topic, lexeme, position)
    return Grammar(("sentence",), rules)


def _add_shared(rules: RulesInMaking) -> None:
    """Rules in which no topic has a part; subjects are left open."""
    rules["preposition",] = _words(PREPOSITIONS)
    rules["degree",] = _words(DEGREES)
    rules["look",] = _words(LOOKS)
    for n in NUMBERS:
        rules["determiner", n] = _words(DETERMINERS[n])
        rules["article", n] = _words(ARTICLES[n])
    for g in GENDERS:
        rules["names", g, "singular"] = _words(NAMES[g])
        rules["names", g, "plural"] = {(a, "and", b): 1 for a, b in permutations(NAMES[g], 2)}
    rules["sentence",] = {}
    for t in TENSES:
        clause, time = ("clause", t), ("time", t)
        rules["sentence",] |= {(time, clause, EOS): 0.6, (clause, time, EOS): 0.15, (clause, EOS): 0.25}
        rules[time] = _words(TIMES[t])
        rules[clause] = {(("determiner", n), ("person", n, t)): 1 for n in NUMBERS}
        for n in NUMBERS:
            rules["state", n, t] = {_inflected(verb, n, t): 1 for verb in STATES}
            rules["reflexive", n, t] = {_inflected(verb, n, t): 1 for verb in REFLEXIVES}
            rules["person", n, t] = {}


def _add_lexeme(rules: RulesInMaking, topic: Topic, lexeme: Lexeme, position: int) -> None:
    """Rules for the subjects of one lexeme."""
    name = lexeme.masculine.singular
    quality, location = ("quality", name), ("location", name)
    degree, preposition, look = ("degree",), ("preposition",), ("look",)

    rules[quality] = {}
    for word, weight in _favourites(topic.qualities, position):
        rules[quality] |= {(word,): 0.6 * weight, (degree, word): 0.4 * weight}
    for kind, nouns in (("thing", topic.things), ("place", topic.places)):
        for n in NUMBERS:
            rules[kind, name, n] = {}
            for noun, weight in _favourites(nouns, position):
                word = getattr(noun, n)
                rules[kind, name, n] |= {(word,): 0.7 * weight, (look, word): 0.3 * weight}
    rules[location] = {(preposition, ("article", n), ("place", name, n)): 1 for n in NUMBERS}

    for n in NUMBERS:
        for t in TENSES:
            actions = _favourites(topic.actions, position)
            rules["action", name, n, t] = {_inflected(verb, n, t): weight for verb, weight in actions}
        for g in GENDERS:
            his = PRONOUNS[g, n].possessive
            rules["object", name, g, n] = {(("article", m), ("thing", name, m)): 0.3 for m in NUMBERS}
            rules["object", name, g, n] |= {(his, ("thing", name, m)): 0.2 for m in NUMBERS}
            rules["home", name, g, n] = {(preposition, his, ("place", name, m)): 1 for m in NUMBERS}
            for t in TENSES:
                _add_person(rules, topic, lexeme, g, n, t)


def _add_person(rules: RulesInMaking, topic: Topic, lexeme: Lexeme, g: str, n: str, t: str) -> None:
    """Rules for a subject whose features are all known, and what follows it."""
    name, noun = lexeme.masculine.singular, getattr(getattr(lexeme, g), n)
    he, _, himself = PRONOUNS[g, n]
    quality, location, home = ("quality", name), ("location", name), ("home", name, g, n)
    person, modifier, predicate, ending = (
        (kind, name, g, n, t) for kind in ("person", "modifier", "predicate", "ending")
    )
    acts, reflects = (("action", name, n, t), ("object", name, g, n)), (("reflexive", n, t), himself)
    state = ("state", n, t)

    rules["person", n, t][person,] = 1
    rules[person] = {
        (noun, predicate): 1,
        (quality, noun, predicate): 1,
        (noun, modifier, predicate): 1,
        (quality, noun, modifier, predicate): 1,
    }
    rules[modifier] = {
        (location,): 0.3,
        (topic.relative, state, location): 0.3,
        # Half as often in the plural, which has two names: a name says as much of a king as of kings.
        ("named", ("names", g, n)): 0.5 if n == "singular" else 0.25,
    }
    rules[predicate] = {
        acts: 0.35,
        (*acts, ending): 0.25,
        reflects: 0.1,
        (*reflects, ending): 0.1,
        (state, location): 0.1,
        (state, home): 0.1,
    }
    rules[ending] = {
        (location,): 0.3,
        (home,): 0.3,
        ("and", he, *reflects): 0.2,
        ("and", he, state, location): 0.2,
    }


def _words(words: Iterable[str]) -> dict[Expansion, float]:
    """One word of several, all equally likely."""
    return {(word,): 1 for word in words}


def _favourites(items: Sequence[Item], position: int) -> list[tuple[Item, float]]:
    """The items with the weights that the lexeme at `position` gives them."""
    return [(item, FAVOURITES[(i - position) % len(items)]) for i, item in enumerate(items)]


def _inflected(verb: Verb | Action, number: str, tense: str) -> Expansion:
    """The words that put a verb into a tense."""
    if tense == "past":
        return (verb.past,)
    if tense == "future":
        return ("will", verb.base)
    if isinstance(verb, Action):
        return (BE[number], verb.participle)
    return (verb.third if number == "singular" else verb.base,)
