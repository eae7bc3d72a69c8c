"""generate_text, generate_better_text, predict_word, and what they are made of."""

import inspect
import math
from pathlib import Path

import numpy
import pytest

from ch06 import cache, export_rnnlm, trained_models
from ch06.awd_lstm import AwdLstm
from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from ch07 import generate_better_text, generate_text, predict_word
from ch07.rnnlm_gen import RnnlmGen
from common.files import FileFormatError
from common.text_writer import TextWriter, sample_sentences
from dataset import mini, ptb


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def shipped():
    words = trained_models.vocabulary(trained_models.read_language_model(trained_models.SHIPPED))
    model = trained_models.read_rnnlm(trained_models.SHIPPED, RnnlmGen)
    return TextWriter(model, {w: i for i, w in words.items()}, words)


def test_shipped_model_is_a_good_one(shipped):
    assert len(shipped.id_to_word) == 10_000
    assert shipped.predict("new", 1)[0][0] == "york"
    assert dict(shipped.predict("the company said it", 10)).keys() >= {"will", "is"}
    ids = [shipped.word_to_id[w] for w in ["the", "company", "said", "it"]]
    assert trained_models.SHIPPED.stat().st_size < 5e6
    assert shipped.encode("The company said it'll sell its unit.").ids[:4] == ids


def test_shipped_model_on_its_corpus(shipped, penn_treebank):
    text, _, id_to_word = ptb.load_data("test")
    assert shipped.id_to_word == id_to_word
    reading = cache.read(shipped.model, text[:8000])
    plain, cached = (cache.cache_perplexity(shipped.model, text[:8000], 0.6, lam) for lam in (0.0, 0.16))
    assert plain == pytest.approx(math.exp(-numpy.log(reading.p).mean()))
    assert plain < 160
    assert cached < 0.95 * plain


def test_writes_and_bans_and_stops(shipped):
    texts = shipped.write(["you", "the company"], 2, 30, banned=["<unk>", "nosuchword"], stop=["<eos>"], rng=0)
    assert [text.text.split()[0] for text in texts] == ["You", "You", "The", "The"]
    assert texts[0].text != texts[1].text
    unk, eos = shipped.word_to_id["<unk>"], shipped.word_to_id["<eos>"]
    for text in texts:
        assert unk not in text.ids
        assert eos not in text.ids[:-1]
        assert len(text.log_probs) == len(text.ids) - (2 if text.text.startswith("The") else 1)
    again = shipped.write("you", 1, 30, banned=["<unk>"], stop=["<eos>"], rng=0)
    assert again[0].ids == texts[0].ids


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"prompt": "qwrtz zxcvb"}, "no word of the prompt is known"),
        ({"count": 0}, "count"),
        ({"sample_size": 0}, "0"),
    ],
)
def test_misuse(shipped, options, message):
    with pytest.raises(ValueError, match=message):
        shipped.write(**{"prompt": "you", **options})


@pytest.mark.parametrize("name", ["banned", "stop"])
def test_one_str_is_no_list_of_words(shipped, name):
    message = f"{name} must be a list of words, not the str 'the'"
    with pytest.raises(TypeError, match=message):
        shipped.write("you", **{name: "the"})
    with pytest.raises(TypeError, match=message):
        generate_text.main("you", out="a", **{name: "the"})


@pytest.mark.parametrize("name", ["banned", "stop"])
@pytest.mark.parametrize("words", [[24, 316], None, [["a"]], 5, b"the"])
def test_ids_are_no_words(shipped, name, words):
    with pytest.raises(TypeError, match=f"^{name} must be a list of words, not "):
        shipped.write("you", **{name: words})
    assert shipped.write("you", 1, 2, rng=0, **{name: iter(["the"])})


@pytest.mark.parametrize("prompt", [[0, 1], ["you", 3], 5, b"you"])
def test_prompts_are_texts(shipped, prompt):
    with pytest.raises(TypeError, match=r"TextWriter\.write: prompts? must be (a str|texts), "):
        shipped.write(prompt)


def test_every_word_banned(shipped):
    with pytest.raises(ValueError, match="all 10000 words are banned"):
        shipped.write("you", banned=list(shipped.word_to_id))


def test_vocabulary_of_another_size():
    words = {0: "a", 1: "b"}
    with pytest.raises(ValueError, match="3 words and a vocabulary of 2"):
        TextWriter(Rnnlm(3, 2, 2), {"a": 0, "b": 1}, words)
    with pytest.raises(ValueError, match="2 words do not fit a model of 3"):
        trained_models.write_rnnlm("x.npz", Rnnlm(3, 2, 2), words)
    with pytest.raises(ValueError, match="no <eos>"):
        TextWriter(Rnnlm(2, 2, 2), {"a": 0, "b": 1}, words).write()


def test_export():
    """From a training's weights to the file that comes with the project."""
    Rnnlm(328, 6, 6, rng=0).save_params("weights.npz")
    scores = export_rnnlm.main("weights.npz", "out.npz", corpus="mini")
    assert scores["test_perplexity"] == pytest.approx(328, rel=0.02)
    assert scores["bytes"] == Path("out.npz").stat().st_size


def test_export_of_another_corpus_leaves_the_shipped_file():
    before = trained_models.SHIPPED.read_bytes()
    Rnnlm(328, 6, 6, rng=0).save_params("mine.npz")
    Rnnlm(328, 6, 6, rng=0).save("runs/mine")
    for weights, file in ("mine.npz", "rnnlm.npz"), ("runs/mine", "runs/mine/rnnlm.npz"):
        assert export_rnnlm.main(weights, corpus="mini")["bytes"] == Path(file).stat().st_size
    assert trained_models.SHIPPED.read_bytes() == before
    mine = Path("rnnlm.npz").read_bytes()
    with pytest.raises(ValueError, match=r"rnnlm\.npz has the weights to export, name another one"):
        export_rnnlm.main("rnnlm.npz", corpus="mini")
    assert Path("rnnlm.npz").read_bytes() == mine


def test_sample_sentences():
    word_to_id, id_to_word = mini.load_vocab()
    model = Rnnlm(len(word_to_id), 4, 4, rng=0)
    sentences = sample_sentences(model, word_to_id, id_to_word, 4, rng=1)
    assert sentences == sample_sentences(model, word_to_id, id_to_word, 4, rng=1)
    assert len(set(sentences)) == 4
    assert all(sentence[0].isupper() and "<eos>" not in sentence for sentence in sentences)


def test_generate_text(capsys):
    generate_text.main(length=20, out="a")
    first = capsys.readouterr().out
    assert first.startswith("You ")
    assert not {"<unk>", "N", "$"} & set(first.split())
    generate_text.main(length=20, out="a")
    assert capsys.readouterr().out == first == Path("a/text.txt").read_text(encoding="utf-8")
    generate_text.main(length=20, out="a", seed=1)
    assert capsys.readouterr().out != first
    generate_text.main("The qwrtz company", count=2, length=5, temperature=0.0, scores=True, out="b")
    note, _, rest = capsys.readouterr().out.partition("\n")
    assert note == "(not in the vocabulary, read as <unk>: qwrtz)"
    one, two = rest.strip().split("\n---\n")
    assert one == two  # greedy
    assert one.startswith("The <unk> company")
    assert one.splitlines()[-1].startswith("(mean log probability -")
    generate_text.main(length=20, untrained=True, out="c")
    assert capsys.readouterr().out != first


def test_scores_are_the_mean_of_the_drawn_words(capsys):
    Rnnlm(328, 4, 4, rng=0).save_params("own.npz")
    generate_text.main("the queen", length=3, scores=True, weights="own.npz", corpus="mini", out="a")
    log_p = -math.log(328)  # the weights are still small
    assert f"(mean log probability {log_p:.2f} of 3 words)" in capsys.readouterr().out


def test_banned_words_are_added_to_the_default_ones(capsys):
    """The likeliest words after "the" are <unk>, first and largest."""

    def first_word(**options):
        generate_text.main("the", length=1, temperature=0.0, out="a", **options)
        return capsys.readouterr().out.split()[1].strip(".").lower()

    assert first_word(default_bans=False) == "<unk>"
    assert first_word() == "first"
    assert first_word(banned=["first"]) == "largest"
    assert first_word(banned=["first"], default_bans=False) == "<unk>"


@pytest.mark.parametrize("script", [generate_text, generate_better_text])
@pytest.mark.parametrize("option", ["banned", "stop"])
def test_words_that_the_vocabulary_lacks(script, option):
    BetterRnnlm(328, 6, 6, rng=0).save_params("better.npz")
    Rnnlm(328, 6, 6, rng=0).save_params("plain.npz")
    weights = "plain.npz" if script is generate_text else "better.npz"
    with pytest.raises(ValueError, match=rf"{option}: quen is not found, the nearest known words are: queen"):
        script.main("the queen", weights=weights, corpus="mini", out="a", **{option: ["king", "quen"]})


def test_both_scripts_have_the_same_options():
    one, two = (inspect.signature(script.main).parameters for script in (generate_text, generate_better_text))
    shared = one.keys() & two.keys() - {"prompt", "weights", "out"}
    assert {"temperature", "top_k", "top_p", "banned", "default_bans", "stop", "scores", "seed"} <= shared
    assert all(one[name] == two[name] for name in shared)
    own = "prompt count length temperature top_k top_p repetition_penalty banned default_bans stop scores"
    order = [*own.split(), "weights", "cell", "corpus"]
    assert list(one) == [*order, "untrained", "seed", "gpu", "out"] and list(two) == [*order, "seed", "gpu", "out"]
    by_place = [name for name, parameter in one.items() if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert by_place == [*order, "untrained"]


def test_own_weights(capsys):
    Rnnlm(328, 4, 4, rng=0).save_params("own.npz")
    generate_text.main("the queen", length=5, weights="own.npz", corpus="mini", out="a")
    assert capsys.readouterr().out.startswith("The queen ")
    predict_word.main("the queen", weights="own.npz", corpus="mini")
    assert len(capsys.readouterr().out.splitlines()) == 10
    with pytest.raises(KeyError, match="nearest known words"):
        predict_word.main("the quen", weights="own.npz", corpus="mini")
    with pytest.raises(ValueError, match=r"corpus mini: it is a model of 10000 words, the corpus has 328\."):
        generate_text.main(corpus="mini", out="a")
    words = dict(enumerate(reversed(mini.load_vocab()[0])))
    Rnnlm(328, 4, 4, rng=0).save("other", id_to_word=words)
    with pytest.raises(ValueError, match=f"other cannot read .* mini: word 0 of the model is {words[0]!r}, there"):
        generate_text.main(corpus="mini", weights="other", out="a")


@pytest.mark.parametrize(
    ("options", "cell"),
    [({}, "lstm"), ({"tied": False, "layers": 1}, "lstm"), ({"cell": "gru", "layers": 3}, "gru"),
     ({"cell": "peephole"}, "peephole"), ({"cell": "peephole_diagonal", "tied": False}, "peephole_diagonal")],
)  # fmt: skip
def test_better_text(options, cell, capsys):
    BetterRnnlm(328, 6, 6, rng=0, **options).save_params("better.npz")
    generate_better_text.main("the queen", length=5, weights="better.npz", cell=cell, corpus="mini", out="a")
    assert capsys.readouterr().out.startswith("The queen ")


@pytest.mark.parametrize("ending", ["npz", "pkl"])
@pytest.mark.parametrize(
    ("model", "cell"),
    [(Rnnlm(328, 6, 5, rng=0), None), (BetterRnnlm(328, 6, 6, rng=0), None), (AwdLstm(328, 6, 8, rng=0), None),
     (BetterRnnlm(328, 6, 6, cell="rnn", rng=0), "rnn")],
)  # fmt: skip
def test_weights_of_all_models(model, cell, ending, capsys):
    path = model.save_params(f"weights.{ending}")
    texts = []
    for script in (generate_text, generate_better_text):
        script.main("the queen", length=5, weights=path, cell=cell, corpus="mini", out="a")
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] and texts[0].startswith("The queen ")
    predict_word.main("the queen", topn=3, weights=path, cell=cell, corpus="mini")
    assert len(capsys.readouterr().out.splitlines()) == 3
    generate_text.main("the queen", length=5, weights=path, cell=cell, corpus="mini", untrained=True, seed=1, out="a")
    assert capsys.readouterr().out != texts[0]


def test_prompts_as_people_type_them(capsys):
    begins = {'"the stock"': "The stock", "it rose 5% to $10 (the highest)": "It rose N to $N the highest"}
    for prompt, begin in begins.items():
        generate_text.main(prompt, length=3, out="a")
        out = capsys.readouterr().out
        assert out.startswith(begin) and "not in the vocabulary" not in out


def test_better_text_without_weights():
    with pytest.raises(FileNotFoundError, match=r"python -m ch06\.train_better_rnnlm"):
        generate_better_text.main(out="a")


def test_better_text_of_weights_named_without_ending(capsys):
    BetterRnnlm(328, 6, 6, rng=0).save_params("mine.npz")
    generate_better_text.main("the queen", length=5, weights="mine", corpus="mini", out="a")
    assert capsys.readouterr().out.startswith("The queen ")
    with pytest.raises(FileNotFoundError, match=r"yours: there is no folder of a model and no file of weights"):
        generate_better_text.main("the queen", weights="yours", out="a")


def test_other_files():
    BetterRnnlm(328, 6, 6, rng=0).save_params("better.npz")
    with pytest.raises(FileFormatError, match="6 tensors of an Rnnlm"):
        trained_models.read_rnnlm("better.npz", RnnlmGen)
    with pytest.raises(ValueError, match="the cell must be lstm, not 'gru'"):
        generate_better_text.main("the queen", weights="better.npz", cell="gru", corpus="mini", out="a")
    with pytest.raises(ValueError, match="cell must be"):
        generate_better_text.main("the queen", weights="better.npz", cell="cnn", corpus="mini", out="a")


def test_vocabulary_travels_with_the_weights(capsys):
    model = Rnnlm(328, 6, 6, rng=0)
    _, id_to_word = mini.load_vocab()
    trained_models.write_rnnlm("m.npz", model, id_to_word)
    loaded = trained_models.read_rnnlm("m.npz", Rnnlm)
    assert all(abs(a - b).max() < 1e-3 for a, b in zip(loaded.params, model.params, strict=True))
    predict_word.main("the queen", weights="m.npz")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("script", [generate_text, generate_better_text, predict_word])
def test_weights_of_the_small_corpus_need_no_more_words(script, capsys):
    """Neither --corpus nor a prompt: the number of words says which corpus it is, and the usual prompt is not in it."""
    Rnnlm(len(mini.load_vocab()[0]), 4, 5, rng=0).save_params("w.npz")
    size = {"topn": 3} if script is predict_word else {"length": 3}
    script.main(weights=Path("w.npz"), **size)
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) >= 1
    assert printed.err == "vocabulary: that of mini, which has as many words (--corpus names another)\n"
    script.main(weights=Path("w.npz"), corpus="mini", **size)
    assert capsys.readouterr().err == ""
    Rnnlm(17, 4, 5, rng=0).save_params("other.npz")
    with pytest.raises(ValueError, match="no vocabulary: say with --corpus"):
        script.main(weights=Path("other.npz"))


@pytest.mark.parametrize("script", [generate_text, generate_better_text, predict_word])
@pytest.mark.parametrize("words", [["ein", "haus"], [" ", "b", "c"], ["new york", "a"], ["the", "cat"]])
def test_the_usual_prompt_is_of_the_vocabulary(script, words):
    Rnnlm(len(words), 4, 5, rng=0).save("own", id_to_word=dict(enumerate(words)))
    script.main(weights=Path("own"), **({"topn": 1} if script is predict_word else {"length": 1}))
