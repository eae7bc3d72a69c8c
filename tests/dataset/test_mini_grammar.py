"""Sentences obey every rule of agreement, and each has one derivation."""

import itertools

import numpy
import pytest

from common.text import EOS
from dataset import mini_lexicon as lexicon
from dataset.mini_grammar import grammar


@pytest.fixture(scope="module")
def sentences():
    """3,000 sentences without <eos>."""
    rng = numpy.random.default_rng(0)
    drawn = list(itertools.islice(grammar().sentences(rng), 3000))
    assert all(words.index(EOS) == len(words) - 1 for words in drawn)
    return [words[:-1] for words in drawn]


def draw(rng):
    """A sentence, the probability of its derivation, and its rules: a sampler of our own to check the grammar's."""
    words, p, stack = [], 1.0, [grammar().start]
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            words.append(part)
            continue
        expansions = list(grammar().rules[part])
        chosen = expansions[rng.choice(len(expansions), p=[*grammar().rules[part].values()])]
        p *= grammar().rules[part][chosen]
        stack.extend(reversed(chosen))
    return words, p


def test_rules_are_normalised():
    assert set(grammar().rules) == set(grammar().symbols)  # no rule is left without use
    for options in grammar().rules.values():
        assert sum(options.values()) == pytest.approx(1, abs=1e-12)


def test_unambiguous():
    rng = numpy.random.default_rng(0)
    for words, p in (draw(rng) for _ in range(300)):
        inside = grammar().inside(words)
        assert inside.derivations == 1
        assert inside.probability == pytest.approx(p, rel=1e-12)


TIMES = {word: tense for tense, words in lexicon.TIMES.items() for word in words}
PEOPLE = {
    getattr(noun, number): (topic, gender, number)
    for topic in lexicon.TOPICS
    for lexeme in topic.lexemes
    for gender, noun in zip(lexicon.GENDERS, lexeme, strict=True)
    for number in lexicon.NUMBERS
}
OWN_NUMBER = {
    getattr(noun, number): number
    for topic in lexicon.TOPICS
    for noun in (*topic.things, *topic.places)
    for number in lexicon.NUMBERS
}
NUMBER_OF = {
    word: number
    for table in (lexicon.DETERMINERS, lexicon.ARTICLES)
    for number, words in table.items()
    for word in words
    if word != "the"
}
GENDER_OF_NAME = {name: gender for gender, names in lexicon.NAMES.items() for name in names}
SHARED_VERBS = (*lexicon.STATES, *lexicon.REFLEXIVES)
ACTIONS = [action for topic in lexicon.TOPICS for action in topic.actions]


def verbs(words):
    """The tense of each verb of a sentence, and the number that it shows, if it does."""
    past = {verb.past for verb in (*SHARED_VERBS, *ACTIONS)}
    base = {verb.base for verb in (*SHARED_VERBS, *ACTIONS)}
    third = {verb.third for verb in SHARED_VERBS}
    for before, word in zip(["", *words], words, strict=False):
        if word in past:
            yield "past", None
        elif word in ("is", "are"):
            yield "present", {"is": "singular", "are": "plural"}[word]
        elif word in third:
            yield "present", "singular"
        elif word in base:
            yield ("future", None) if before == "will" else ("present", "plural")


class TestAgreement:
    """Every rule of agreement, looked up in the lexicon without the help of the grammar."""

    def test_sentence_has_one_subject_and_one_tense(self, sentences):
        for words in sentences:
            assert sum(word in PEOPLE for word in words) == 1
            tenses = {tense for tense, _ in verbs(words)} | {TIMES[word] for word in words if word in TIMES}
            assert len(tenses) == 1, words
            assert sum(word in TIMES for word in (words[0], words[-1])) == sum(word in TIMES for word in words) <= 1

    def test_number_and_gender(self, sentences):
        for words in sentences:
            subject = next(word for word in words if word in PEOPLE)
            _, gender, number = PEOPLE[subject]
            opening = words[1] if words[0] in TIMES else words[0]
            assert opening == "the" or NUMBER_OF[opening] == number, words
            assert {shown for _, shown in verbs(words)} <= {None, number}, words
            own = set(lexicon.PRONOUNS[gender, number])
            pronouns = {pronoun for kind in lexicon.PRONOUNS.values() for pronoun in kind}
            assert {word for word in words if word in pronouns} <= own, words
            names = [word for word in words if word in GENDER_OF_NAME]
            assert {GENDER_OF_NAME[name] for name in names} <= {gender}, words
            assert len(set(names)) == len(names) and len(names) in (0, 1 if number == "singular" else 2), words

    def test_articles(self, sentences):
        for words in sentences:
            for i, word in enumerate(words):
                if word in OWN_NUMBER:
                    article = words[i - 2] if words[i - 1] in lexicon.LOOKS else words[i - 1]
                    assert NUMBER_OF.get(article, OWN_NUMBER[word]) == OWN_NUMBER[word], words
                if word == "a":
                    assert words[i + 1][0] not in "aeiou", words

    def test_topic(self, sentences):
        for words in sentences:
            topic = next(PEOPLE[word][0] for word in words if word in PEOPLE)
            nouns = (*topic.things, *topic.places)
            own = {*topic.qualities, topic.relative, *(form for row in (*topic.actions, *nouns) for form in row)}
            for other in lexicon.TOPICS:
                nouns = (*other.things, *other.places)
                rows = (*other.actions, *nouns)
                foreign = {*other.qualities, other.relative, *(form for row in rows for form in row)} - own
                assert not foreign.intersection(words), words

    def test_agreement_reaches_far(self, sentences):
        """More than four words lie between the subject and a pronoun that agrees with it, in a third of sentences."""
        pronouns = {pronoun for kind in lexicon.PRONOUNS.values() for pronoun in kind}
        far = 0
        for words in sentences:
            subject = next(i for i, word in enumerate(words) if word in PEOPLE)
            last = max((i for i, word in enumerate(words) if word in pronouns), default=0)
            far += last - subject - 1 > 4
        assert far > len(sentences) / 3
