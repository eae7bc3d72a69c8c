import json

import numpy
import pytest
from memory import peak

from ch08.answerer import Answerer, AttentionMap, ModelKind
from ch08.visualize_attention import DATE_MODEL, as_text, display_width
from common import weight_files
from common.evaluation import eval_seq2seq, seq2seq_accuracy
from common.files import FileFormatError
from common.labels import IdError
from dataset import pairs

DATES = {
    "9/27/94": "1994-09-27",
    "september 27, 1994": "1994-09-27",
    "AUG 26, 1983": "1983-08-26",
    "Wednesday, May 20, 2009": "2009-05-20",
}


@pytest.fixture(scope="module")
def dates():
    return Answerer.load(DATE_MODEL)


def tsv(tmp_path, lines=("ab\txy", "b\tyyx", "ba\tx")):
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_date_model_knows_dates(dates):
    assert DATE_MODEL.stat().st_size < 1_500_000
    assert dates.answers(list(DATES)) == list(DATES.values())
    assert [dates.answer(question) for question in DATES] == list(DATES.values())


def test_accuracy_in_batches_equals_one_by_one(dates):
    data = pairs.load("date.txt", reversed=True)
    x, t = data.x_test[:60], data.t_test[:60].copy()
    t[::7, -1] = t[1::7, -1][0]  # some of the answers are not what the model says
    id_to_char = {i: char for char, i in data.codec.answers.items()}
    one_by_one = [eval_seq2seq(dates.model, q[None], a[None], id_to_char) for q, a in zip(x, t, strict=True)]
    assert 0.5 < numpy.mean(one_by_one) < 1
    for batch_size in (1, 7, 500):
        assert seq2seq_accuracy(dates.model, x, t, batch_size) == pytest.approx(numpy.mean(one_by_one))
    assert seq2seq_accuracy(dates.model, data.x_test[:500], data.t_test[:500]) > 0.995


def test_attention_is_upright(dates):
    found = dates.attention("september 27, 1994")
    assert "".join(found.question) == "september 27, 1994".ljust(29)
    assert "".join(found.answer) == "1994-09-27"
    assert found.weights.shape == (10, 29)
    numpy.testing.assert_allclose(found.weights.sum(axis=1), 1, rtol=1e-5)
    year = found.weights[1:4].argmax(axis=1)  # the model looks at the year's digits, wherever it reads from
    assert all(14 <= place <= 18 for place in year)
    lines = as_text(found).splitlines()
    assert lines[0] == "  " + "september 27, 1994".ljust(29)
    assert [len(line) for line in lines] == [31] * 11


def test_columns_of_words_are_as_wide_as_the_words():
    found = AttentionMap(numpy.array([[0.25, 0.7, 0.05], [0.0, 1.0, 0.0]]), ["zwei", "und", "drei"], ["drei", "<stop>"])
    assert as_text(found).splitlines() == ["       zwei und drei", "drei   2    7   .   ", "<stop> .    9   .   "]


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        ("日a本", ["  日a本", "b 1 23 "]),
        ("ｱ１", ["  ｱ１", "b 12 "]),
        ("e\u0301a", ["  e\u0301 a", "b 123"]),
    ],
)
def test_columns_are_as_wide_as_in_a_terminal(question, lines):
    found = AttentionMap(numpy.array([[0.1, 0.2, 0.3][: len(question)]]), list(question), ["b"])
    assert as_text(found).splitlines() == lines


def test_symbols_of_the_answer_are_as_wide_as_in_a_terminal():
    found = AttentionMap(numpy.array([[0.1], [0.2], [0.3]]), ["a"], ["年", "b", "e\u0301"])
    assert as_text(found).splitlines() == ["   a", "年 1", "b  2", "e\u0301  3"]
    assert [display_width(text) for text in ("", "ab", "日本", "e\u0301", "ｱ", "👍")] == [0, 2, 4, 1, 1, 2]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_questions(dates):
    questions = list(DATES) * 2048
    few, answers = peak(dates.answers, questions[:4096])  # some batches, of which two may be at work at once
    many, all_answers = peak(dates.answers, questions)
    assert many < 1.2 * few
    assert all_answers == answers * 2 == list(DATES.values()) * 2048


@pytest.mark.parametrize("kind", list(ModelKind))
@pytest.mark.parametrize("reversed", [False, True])
def test_through_a_file(kind, reversed, tmp_path):
    codec = pairs.load(tsv(tmp_path), reversed=reversed).codec
    model = Answerer(kind, codec, 3, 4, 4, rng=0)
    path = model.save(tmp_path / "model.npz")
    loaded = Answerer.load(path)
    assert loaded.codec == codec
    questions = ["ab", "b", "aaaaaabbbbbb"]
    assert loaded.answers(questions) == model.answers(questions)
    for own, other in zip(loaded.model.params, model.model.params, strict=True):
        numpy.testing.assert_array_equal(own, other)
    if kind in (ModelKind.attention, ModelKind.deep):
        found = loaded.attention("bba")
        assert found.question == ["b", "b", "a"] and found.weights.shape == (len(found.answer), 3)
    else:
        with pytest.raises(TypeError, match=str(kind)):
            loaded.attention("ab")


def test_from_the_folder_of_a_training(dates, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.npz"):
        Answerer.load(tmp_path)
    dates.save(tmp_path / "model.npz")
    assert Answerer.load(tmp_path).answer("9/27/94") == "1994-09-27"
    (tmp_path / "dates").mkdir()  # beside the file dates.npz
    assert Answerer.load(dates.save(tmp_path / "dates").with_suffix("")).answer("9/27/94") == "1994-09-27"


def test_files_whose_control_symbols_have_other_names(tmp_path):
    codec = pairs.load(tsv(tmp_path)).codec
    names = {pairs.START: "<start>", pairs.STOP: "<stop>"}
    older = codec._replace(answers={names.get(symbol, symbol): i for symbol, i in codec.answers.items()})
    answerer = Answerer("attention", older, 3, 4, 4, rng=0)
    answerer.model.decoder.affine.params[1][older.answers["x"]] = 9
    path = answerer.save(tmp_path / "model.npz")
    assert Answerer.load(path).answer("ab") == "x" * 14


def test_numbers_and_flags_of_numpys(tmp_path):
    codec = pairs.load(tsv(tmp_path), reversed=numpy.True_, words=numpy.False_).codec
    answerer = Answerer("deep", codec, 4, numpy.int64(6), numpy.int8(9), bidirectional=numpy.True_, rng=0)
    assert Answerer.load(answerer.save(tmp_path / "model.npz")).answer("ab") == answerer.answer("ab")
    for options in ({"reversed": "no"}, {"words": "no"}):
        with pytest.raises(TypeError, match=r"^(reversed|words) must be True or False, not 'no'$"):
            pairs.load(tsv(tmp_path), **options)
    with pytest.raises(TypeError, match="DeepSeq2seq: bidirectional must be True or False, not 'no'"):
        Answerer("deep", codec, 4, 6, 9, bidirectional="no")


def test_ids_that_no_vocabulary_has(tmp_path):
    codec = pairs.load(tsv(tmp_path)).codec
    with pytest.raises(IdError, match=r"the ids of answers must lie in 0 … 3, got 99"):
        codec.decode([2, 99])
    with pytest.raises(IdError, match=r"the ids of questions must lie in 0 … 1, got 99"):
        codec.question([0, 99])


def test_a_start_symbol_is_no_part_of_an_answer(tmp_path):
    answerer = Answerer("seq2seq", pairs.load(tsv(tmp_path)).codec, 3, 4, 4, rng=0)
    answerer.model.decoder.affine.params[1][answerer.codec.start] = 9
    assert answerer.answer("ab") == ""
    answerer = Answerer("seq2seq", pairs.load("addition.txt").codec, 3, 4, 4, rng=0)
    answerer.model.decoder.affine.params[1][answerer.codec.start] = 9
    assert answerer.answer("1+1") == "____"  # a character as others are


class TestMisuse:
    @pytest.mark.parametrize(
        ("question", "message"),
        [("27. März 1994", "no '.'"), ("", "empty"), ("x" * 30, "30 characters"), ("1994年", "'年'")],
    )
    def test_questions(self, dates, question, message):
        with pytest.raises(ValueError, match=message):
            dates.answer(question)

    def test_no_questions(self, dates):
        with pytest.raises(ValueError, match="there are no questions"):
            dates.answers([])

    def test_one_str_is_no_list_of_questions(self, dates):
        with pytest.raises(TypeError, match=r"list of questions, not the str '9/27/94': pass \['9/27/94'\]"):
            dates.answers("9/27/94")

    @pytest.mark.parametrize("question", [None, 5, b"9/27/94", ["9/27/94"]])
    def test_what_is_no_text(self, dates, question):
        for ask in (dates.answer, dates.attention, lambda question: dates.answers(["9/27/94", question])):
            with pytest.raises(TypeError) as error:
                ask(question)
            assert str(error.value) == f"a question must be a str, not {question!r}"

    @pytest.mark.parametrize("size", [0, -5, 1.5, None])
    def test_size_of_answers(self, dates, size):
        with pytest.raises((TypeError, ValueError), match=rf"^Answerer: answer_size must be .*, not {size}$"):
            Answerer("seq2seq", dates.codec, 3, 4, size)

    @pytest.mark.parametrize(
        ("part", "name", "values"),
        [
            ("codec", "start", [5, -1, None, "a", 1.0, True]),
            ("codec", "stop", [5, -1, "a", 1.0, True, None, 0]),
            ("codec", "width", [0, -3, "a", 1.5, True, 9]),
            ("codec", "words", [None, "no", 1]),
            ("codec", "reversed", [None, "no", 0]),
            ("sizes", "answer_size", [0, -5, "a", 1.5, None, 10**9]),
        ],
    )
    def test_a_file_that_contradicts_itself(self, part, name, values, tmp_path):
        path = Answerer("attention", pairs.load(tsv(tmp_path)).codec, 3, 4, 4, rng=0).save(tmp_path / "model.npz")
        tensors, metadata = weight_files.read(path)
        for value in values:
            changed = json.dumps({**json.loads(metadata[part]), name: value})
            weight_files.write(path, tensors, metadata={**metadata, part: changed})
            with pytest.raises(FileFormatError, match=rf"no model with its vocabulary, .*{name} (cannot|must) be "):
                Answerer.load(path)

    def test_weights_of_another_vocabulary(self, tmp_path):
        codec = pairs.load(tsv(tmp_path)).codec
        path = Answerer("attention", codec, 3, 4, 4, rng=0).save(tmp_path / "model.npz")
        tensors, metadata = weight_files.read(path)
        tensors["decoder.affine.W"] = tensors["decoder.affine.W"][:, :-1]
        weight_files.write(path, tensors, metadata=metadata)
        with pytest.raises(FileFormatError, match=r"decoder.affine.W.*\(8, 4\).*\(8, 3\)"):
            Answerer.load(path)
        del tensors["decoder.affine.W"]
        weight_files.write(path, tensors, metadata=metadata)
        with pytest.raises(FileFormatError, match=r"misses decoder.affine.W \(8, 4\)"):
            Answerer.load(path)

    @pytest.mark.parametrize("kind", ["attention", "deep"])
    @pytest.mark.parametrize("name", ["hidden_size", "wordvec_size", "layers"])
    @pytest.mark.parametrize("size", [3000, 9000, 10**5, 10**9, 10**30])
    def test_small_files_of_large_models(self, kind, name, size, tmp_path):
        if (kind, name) == ("attention", "layers"):
            return
        path = Answerer(kind, pairs.load(tsv(tmp_path)).codec, 4, 4, 4, rng=0).save(tmp_path / "model.npz")
        tensors, metadata = weight_files.read(path)
        sizes = json.dumps({**json.loads(metadata["sizes"]), name: size})
        weight_files.write(path, tensors, metadata={**metadata, "sizes": sizes})
        used, error = peak(Answerer.load, path)
        assert isinstance(error, FileFormatError) and used < 30 << 20

    def test_what_is_no_model(self, dates):
        with pytest.raises(ValueError, match="kind must be one of seq2seq, peeky, attention, deep, not 'x'"):
            Answerer("x", dates.codec, 3, 4, 4)
        with pytest.raises(TypeError, match=r"codec must be a Codec, as dataset.pairs.load gives it, not None"):
            Answerer("peeky", None, 3, 4, 4)

    def test_messages_show_the_beginning_of_a_long_question(self, dates):
        for question in ("x" * 100_000, "年" * 29 + " " * 100_000):
            with pytest.raises(ValueError, match=r"characters") as error:
                dates.answer(question)
            assert len(str(error.value)) < 300
        with pytest.raises(TypeError, match=r"expected a list of questions, not the str 'x+' …: pass \['x+' …\]$"):
            dates.answers("x" * 100_000)
        for questions in (None, 3):
            with pytest.raises(TypeError, match=f"expected a list of questions, not {questions}"):
                dates.answers(questions)

    def test_other_files(self, tmp_path):
        path = tmp_path / "weights.npz"
        gap = '{"questions": {"a": 1}, "answers": {"a": 0}, "start": 0}'
        weight_files.write(path, {"W": numpy.ones(3)}, metadata={"kind": "attention"})
        with pytest.raises(FileFormatError, match=r"no model with its vocabulary, .*: its metadata lack codec, sizes$"):
            Answerer.load(path)
        for metadata in (
            {},
            {"kind": "transformer", "sizes": "{}", "codec": "[]"},
            {"kind": "attention", "sizes": '{"wordvec_size": 3, "hidden_size": 4, "answer_size": 4}', "codec": gap},
        ):
            weight_files.write(path, {"W": numpy.ones(3)}, metadata=metadata)
            with pytest.raises(FileFormatError, match="no model with its vocabulary"):
                Answerer.load(path)
        with pytest.raises(FileNotFoundError):
            Answerer.load(tmp_path / "none.npz")

    def test_accuracy_of_nothing(self, dates):
        with pytest.raises(ValueError, match="0 questions"):
            seq2seq_accuracy(dates.model, numpy.zeros((0, 3), int), numpy.zeros((0, 3), int))
        for questions, answers in ((3, 3), (None, None), ([[1]], 3)):
            with pytest.raises(ValueError, match=r"seq2seq_accuracy: expected questions \(n, S\) and answers"):
                seq2seq_accuracy(dates.model, questions, answers)
        for question in (3, None, "ab"):
            with pytest.raises(ValueError, match=r"AttentionSeq2seq: expected ids \(N, T\) .* got \(\)"):
                dates.model.generate(question, 0, 3)
        with pytest.raises(ValueError, match="seq2seq_accuracy: 2 questions and 1 answers, expected as many"):
            seq2seq_accuracy(dates.model, numpy.zeros((2, 3), int), numpy.zeros((1, 3), int))
