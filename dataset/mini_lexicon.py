"""The words of the ``mini`` corpus: tables of inflected forms, and the word classes and analogies that follow.

A *topic* holds what belongs together: people (or animals), what they are like, what they do to which things, and
where. The nouns for people come in pairs of a masculine and a feminine one, a *lexeme*. Each lexeme has favourites
among the words of its topic, so that the company a noun keeps tells its lexeme, its gender and its number.
"""

from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import NamedTuple

TENSES = ("past", "present", "future")
NUMBERS = ("singular", "plural")
GENDERS = ("masculine", "feminine")


class Noun(NamedTuple):
    """King, kings."""

    singular: str
    plural: str


class Lexeme(NamedTuple):
    """King and kings, queen and queens."""

    masculine: Noun
    feminine: Noun


class Verb(NamedTuple):
    """(They) wash, (she) washes, (she) washed."""

    base: str
    third: str
    past: str


class Action(NamedTuple):
    """A verb whose present tense is progressive: (will) wear, wore, (is) wearing."""

    base: str
    past: str
    participle: str


class Pronouns(NamedTuple):
    """She, her (garden), herself."""

    personal: str
    possessive: str
    reflexive: str


class Topic(NamedTuple):
    """Words that belong together; of each table, lexeme number i likes word number i best."""

    relative: str
    lexemes: tuple[Lexeme, ...]
    qualities: tuple[str, ...]
    actions: tuple[Action, ...]
    things: tuple[Noun, ...]
    places: tuple[Noun, ...]


def _topic(relative: str, lexemes: str, qualities: str, actions: str, things: str, places: str) -> Topic:
    """Make a topic of tables in which spaces separate words, and commas separate groups of forms."""

    def rows(table: str) -> list[list[str]]:
        return [row.split() for row in table.split(",")]

    return Topic(
        relative,
        tuple(Lexeme(Noun(*row[:2]), Noun(*row[2:])) for row in rows(lexemes)),
        tuple(qualities.split()),
        tuple(Action(*row) for row in rows(actions)),
        tuple(Noun(*row) for row in rows(things)),
        tuple(Noun(*row) for row in rows(places)),
    )


TOPICS = (
    _topic(
        "who",
        "king kings queen queens, prince princes princess princesses, duke dukes duchess duchesses,"
        "emperor emperors empress empresses",
        "noble proud mighty wise",
        "wear wore wearing, inherit inherited inheriting, admire admired admiring, guard guarded guarding",
        "crown crowns, jewel jewels, sword swords, robe robes",
        "palace palaces, castle castles",
    ),
    _topic(
        "who",
        "father fathers mother mothers, brother brothers sister sisters, uncle uncles aunt aunts,"
        "nephew nephews niece nieces",
        "loving kind patient cheerful",
        "bake baked baking, taste tasted tasting, share shared sharing, buy bought buying",
        "cake cakes, pie pies, pudding puddings, biscuit biscuits",
        "kitchen kitchens, cottage cottages",
    ),
    _topic(
        "that",
        "bull bulls cow cows, rooster roosters hen hens, ram rams ewe ewes, stallion stallions mare mares",
        "brown hungry spotted sleepy",
        "smell smelled smelling, nibble nibbled nibbling, trample trampled trampling, steal stole stealing",
        "carrot carrots, turnip turnips, cabbage cabbages, flower flowers",
        "barn barns, meadow meadows",
    ),
    _topic(
        "who",
        "wizard wizards witch witches, hero heroes heroine heroines, god gods goddess goddesses,"
        "giant giants giantess giantesses",
        "clever fearless strange grim",
        "summon summoned summoning, tame tamed taming, fight fought fighting, chase chased chasing",
        "dragon dragons, ghost ghosts, troll trolls, monster monsters",
        "forest forests, cave caves",
    ),
    _topic(
        "who",
        "waiter waiters waitress waitresses, host hosts hostess hostesses, landlord landlords landlady landladies,"
        "steward stewards stewardess stewardesses",
        "polite busy tired careful",
        "carry carried carrying, fill filled filling, clean cleaned cleaning, break broke breaking",
        "cup cups, glass glasses, bottle bottles, jug jugs",
        "tavern taverns, cellar cellars",
    ),
)

# What all topics share.
STATES = (
    Verb("live", "lives", "lived"),
    Verb("wait", "waits", "waited"),
    Verb("sleep", "sleeps", "slept"),
    Verb("work", "works", "worked"),
    Verb("sing", "sings", "sang"),
    Verb("dance", "dances", "danced"),
)
REFLEXIVES = (
    Verb("wash", "washes", "washed"),
    Verb("praise", "praises", "praised"),
    Verb("enjoy", "enjoys", "enjoyed"),
    Verb("blame", "blames", "blamed"),
    Verb("hide", "hides", "hid"),
    Verb("forgive", "forgives", "forgave"),
)
BE = {"singular": "is", "plural": "are"}
TIMES = {
    "past": ("yesterday", "once", "recently", "earlier", "previously"),
    "present": ("today", "now", "often", "always", "usually"),
    "future": ("tomorrow", "soon", "later", "someday", "eventually"),
}
NAMES = {
    "masculine": ("john", "paul", "peter", "henry", "tom", "jack"),
    "feminine": ("mary", "anna", "clara", "emma", "lucy", "rose"),
}
PRONOUNS = {
    ("masculine", "singular"): Pronouns("he", "his", "himself"),
    ("feminine", "singular"): Pronouns("she", "her", "herself"),
    ("masculine", "plural"): Pronouns("they", "their", "themselves"),
    ("feminine", "plural"): Pronouns("they", "their", "themselves"),
}
# "A" goes with things and places, none of which begins with a vowel; some people do (uncle, aunt).
DETERMINERS = {"singular": ("the", "this", "every", "each"), "plural": ("the", "these", "many", "several")}
ARTICLES = {"singular": ("the", "this", "a", "one"), "plural": ("the", "these", "some", "two")}
PREPOSITIONS = ("in", "near", "behind", "beside", "outside", "around")
DEGREES = ("very", "rather", "quite")
LOOKS = ("good", "new", "small", "large", "fine", "lovely", "plain", "pretty")


def word_classes() -> dict[str, list[str]]:
    """The words of each grammatical class; every word but ``<eos>`` belongs to one class."""
    nouns = [noun for group in _noun_groups() for noun in group]
    actions = [action for topic in TOPICS for action in topic.actions]
    verbs = [*STATES, *REFLEXIVES]
    bases = [*(action.base for action in actions), *(verb.base for verb in verbs)]
    pasts = [*(action.past for action in actions), *(verb.past for verb in verbs)]
    determiners = [word for table in (DETERMINERS, ARTICLES) for words in table.values() for word in words]
    return {
        "singular noun": [noun.singular for noun in nouns],
        "plural noun": [noun.plural for noun in nouns],
        "name": [name for names in NAMES.values() for name in names],
        "base verb": bases,
        "third-person verb": [verb.third for verb in verbs],
        "past verb": pasts,
        "participle": [action.participle for action in actions],
        "auxiliary": [*BE.values(), "will"],
        "adjective": [*(word for topic in TOPICS for word in topic.qualities), *LOOKS],
        "degree adverb": [*DEGREES],
        "time adverb": [word for words in TIMES.values() for word in words],
        "determiner": [*dict.fromkeys(determiners)],
        **{
            f"{kind} pronoun": [*dict.fromkeys(getattr(pronouns, kind) for pronouns in PRONOUNS.values())]
            for kind in Pronouns._fields
        },
        "relative pronoun": [*dict.fromkeys(topic.relative for topic in TOPICS)],
        "preposition": [*PREPOSITIONS],
        "connective": ["and", "named"],
    }


def analogies() -> dict[str, list[tuple[str, str, str, str]]]:
    """Analogies a : b = c : d by category, all that the lexicon yields.

    ``"gender"`` has king : queen = prince : princess and kings : queens = princes : princesses; ``"number"`` has
    king : kings = queen : queens, people with people, things with things and places with places; ``"tense"`` has
    wear : wore = bake : baked and wearing : wore = baking : baked. Verbs that all topics share are left out: nothing
    in the text tells to live from to wait, so none of them is a better answer than another.
    """
    lexemes = [lexeme for topic in TOPICS for lexeme in topic.lexemes]
    pairs: dict[str, Sequence[Iterable[Sequence[str]]]] = {
        "gender": [[(getattr(a, number), getattr(b, number)) for a, b in lexemes] for number in NUMBERS],
        "number": _noun_groups(),
        "tense": [
            [(action.base, action.past) for topic in TOPICS for action in topic.actions],
            [(action.participle, action.past) for topic in TOPICS for action in topic.actions],
        ],
    }
    return {category: [q for group in groups for q in _questions(group)] for category, groups in pairs.items()}


def _noun_groups() -> list[list[Noun]]:
    """Nouns for people, things and places."""
    return [
        [noun for topic in TOPICS for lexeme in topic.lexemes for noun in lexeme],
        [noun for topic in TOPICS for noun in topic.things],
        [noun for topic in TOPICS for noun in topic.places],
    ]


def _questions(pairs: Iterable[Sequence[str]]) -> list[tuple[str, str, str, str]]:
    """Every pair set against every other."""
    return [(a, b, c, d) for (a, b), (c, d) in permutations(pairs, 2)]
