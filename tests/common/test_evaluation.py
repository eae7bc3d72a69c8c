import itertools
import math
from functools import partial
from types import MappingProxyType

import numpy
import pytest

from ch05.simple_rnnlm import SimpleRnnlm
from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from ch07.seq2seq import Seq2seq
from ch08.answerer import MODELS
from common.evaluation import eval_perplexity, eval_seq2seq, seq2seq_accuracy
from common.functions import cross_entropy_error, softmax
from common.language_model import LanguageModel
from common.layers import Dropout
from common.np import np
from common.padding import pad
from common.time_layers import (
    SoftmaxWithLoss,
    TimeAffine,
    TimeDropout,
    TimeEmbedding,
    TimeLSTM,
    TimeSoftmaxWithLoss,
)
from common.validation import example_scores


def word_by_word(model, corpus, batch_size):
    """-log p of each word but the first, summed up in the plainest way: batch_size equal rows, and one of the rest."""
    total, length = 0.0, (len(corpus) - 1) // batch_size
    starts = [*range(0, batch_size * length + 1, length), len(corpus) - 1]
    for start, end in itertools.pairwise(starts):
        model.reset_state()
        for i in range(start, end):
            scores = model.predict(corpus[None, i : i + 1])[0, 0]
            total -= math.log(softmax(scores)[corpus[i + 1]])
    return math.exp(total / (len(corpus) - 1))


@pytest.fixture
def corpus(rng):
    return rng.integers(0, 7, 101)


@pytest.mark.parametrize("kind", [SimpleRnnlm, Rnnlm])
@pytest.mark.parametrize(("batch_size", "time_size"), [(1, 1), (1, 35), (7, 4), (10, 35), (30, 3), (500, 35)])
def test_every_word_counts(kind, corpus, batch_size, time_size):
    model = kind(7, 4, 5, rng=0, dtype="d")
    for p in model.params:
        p *= 3  # far from even
    expected = word_by_word(model, corpus, min(batch_size, 100))
    assert eval_perplexity(model, corpus, batch_size, time_size) == pytest.approx(expected, rel=1e-9)


class PlainLoss:
    """A loss of a user's, which has no label that it leaves out."""

    def forward(self, xs, ts):
        return SoftmaxWithLoss().forward(xs.reshape(-1, 7), ts.reshape(-1))


class OtherLabel(TimeSoftmaxWithLoss):
    ignore_label = 7


@pytest.mark.parametrize("loss", [PlainLoss, OtherLabel])
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_losses_of_ones_own(loss, dtype, corpus):
    expected, model = Rnnlm(7, 4, 5, rng=0), Rnnlm(7, 4, 5, rng=0)
    model.loss_layer = loss()
    found = eval_perplexity(model, corpus.astype(dtype), 8, 4)
    assert found == pytest.approx(eval_perplexity(expected, corpus, 8, 4), rel=1e-6)


@pytest.mark.parametrize("kind", [numpy.int8, numpy.uint8])
def test_sizes_of_few_bits(kind):
    model, text = Rnnlm(7, 4, 5, rng=0), numpy.arange(1000) % 7
    assert eval_perplexity(model, text, kind(10), kind(35)) == eval_perplexity(model, text, 10, 35)


def test_what_was_read_before_does_not_matter_and_the_state_is_restored(corpus, rng):
    model = Rnnlm(7, 4, 5, rng=0)
    fresh = eval_perplexity(model, corpus)
    model.predict(corpus[None, :20])
    lstm = model.layers[1]
    h, c = lstm.h.copy(), lstm.c.copy()
    assert eval_perplexity(model, corpus) == fresh
    numpy.testing.assert_array_equal(lstm.h, h)
    numpy.testing.assert_array_equal(lstm.c, c)


def test_an_even_model_is_as_perplexed_as_its_vocabulary_is_large(corpus):
    model = Rnnlm(7, 4, 5)
    for p in model.params:
        p[...] = 0
    assert eval_perplexity(model, corpus) == pytest.approx(7)


def test_dropout_is_off(corpus):
    class Dropping(Rnnlm):
        def __init__(self):
            super().__init__(7, 4, 5, rng=0)
            self.dropout = TimeDropout(0.5, rng=0)

        def forward(self, xs, ts, train_flg=True):
            xs = self.layers[0].forward(xs)
            xs = self.dropout.forward(xs, train_flg)
            for layer in self.layers[1:]:
                xs = layer.forward(xs)
            return self.loss_layer.forward(xs, ts)

    assert eval_perplexity(Dropping(), corpus) == eval_perplexity(Rnnlm(7, 4, 5, rng=0), corpus)


def test_a_model_without_a_state_of_its_own_is_reset(corpus):
    class Counting:
        params, grads = (), ()
        resets = 0

        def reset_state(self):
            self.resets += 1

        def forward(self, xs, ts):
            return 1.0

    model = Counting()
    assert eval_perplexity(model, corpus) == pytest.approx(math.e)
    assert model.resets == 2  # before and after


def test_a_hopeless_model_is_hugely_perplexed(corpus):
    model = Rnnlm(7, 4, 5, rng=0)
    model.params[-1][...] = [1e5, 0, 0, 0, 0, 0, 0]
    assert 1e300 < eval_perplexity(model, corpus) < math.inf


def test_a_model_that_has_diverged(corpus):
    model = Rnnlm(7, 4, 5, rng=0)
    model.params[-1][0] = math.nan
    with pytest.raises(FloatingPointError, match="eval_perplexity: the loss is nan"):
        eval_perplexity(model, corpus)


class TestSeq2seq:
    id_to_char = MappingProxyType(dict(enumerate("_0123456789 ")))

    class Model:
        def __init__(self, answer):
            self.answer = answer

        def generate(self, xs, start_id, sample_size):
            self.asked = numpy.asarray(xs).tolist(), start_id, sample_size
            return self.answer

    @pytest.mark.parametrize(("answer", "right"), [([3, 4], 1), ([3, 5], 0), ([numpy.int64(3), numpy.int64(4)], 1)])
    def test_right_in_every_character(self, answer, right):
        model = self.Model(answer)
        for correct in ([0, 3, 4], [[0, 3, 4]]):
            assert eval_seq2seq(model, numpy.array([[1, 2]]), numpy.array(correct), self.id_to_char) == right
        assert model.asked == ([[1, 2]], 0, 2)

    def test_accuracy_is_that_without_dropout_and_moves_nothing_on(self, rng):
        model = Seq2seq(9, 5, 6, rng=0)
        for param in model.params:
            param *= 9
        questions = rng.integers(0, 9, (40, 4))
        answers = numpy.concatenate([numpy.zeros((40, 1), int), model.generate(questions, 0, 3)], axis=1)
        dropout = model.encoder.lstm.state_dropout = TimeDropout(0.5, rng=0)
        before = dropout.rng.bit_generator.state
        assert seq2seq_accuracy(model, questions, answers) == 1.0
        assert dropout.train_flg and dropout.rng.bit_generator.state == before

    def test_silent_unless_told_otherwise(self, capsys):
        question, correct = numpy.array([[1, 2, 11]]), numpy.array([0, 3, 4])
        eval_seq2seq(self.Model([3, 4]), question, correct, self.id_to_char)
        assert capsys.readouterr().out == ""
        eval_seq2seq(self.Model([3, 5]), question, correct, self.id_to_char, verbose=True)
        shown = capsys.readouterr().out
        assert "01 \n" in shown and "23" in shown and "24" in shown
        eval_seq2seq(self.Model([3, 4]), question, correct, self.id_to_char, True, True)
        assert " 10\n" in capsys.readouterr().out

    @pytest.mark.parametrize("kind", MODELS)
    def test_padded_pairs_count_as_in_a_batch(self, kind, capsys):
        model = MODELS[kind](7, 3, 4, rng=0, dtype="d")
        for p in model.params:
            p *= 3
        xs = pad([[1, 2, 3, 4, 0], [5, 6], [2, 2, 1], [3]])
        answers = model.generate_batch(xs, 0, 5).tolist()  # all longer than they need to be
        ts = pad([[0, *answer[:length]] for answer, length in zip(answers, (2, 5, 1, 3), strict=True)])
        ts[1, 5] = (ts[1, 5] + 1) % 7
        for x, t, right in zip(xs, ts, (1, 0, 1, 1), strict=True):
            assert eval_seq2seq(model, x[None], t[None], self.id_to_char, verbose=True) == right
            shown = capsys.readouterr().out
            assert eval_seq2seq(model, x[x >= 0][None], t[t >= 0], self.id_to_char, verbose=True) == right
            assert capsys.readouterr().out == shown
            assert seq2seq_accuracy(model, x[None], t[None]) == right
        assert seq2seq_accuracy(model, xs, ts) == 0.75

    def test_a_padded_question_that_stands_reversed(self, capsys):
        eval_seq2seq(self.Model([3]), numpy.array([[2, 1, -1]]), numpy.array([[0, 3, -1]]), self.id_to_char, True, True)
        assert capsys.readouterr().out.splitlines()[:3] == ["Q 01", "T 2", "right 2"]

    def test_a_question_reaches_the_model_as_it_was_given(self, rng):
        class Own:
            def generate(self, xs, start_id, sample_size):
                self.asked = xs
                return [3]

        model = Own()
        for question in (rng.standard_normal((1, 4, 3)), numpy.array([[1, 2, -1]]), [[1, 2]]):
            assert eval_seq2seq(model, question, numpy.array([[0, 3]]), self.id_to_char) == 1
            assert model.asked is question

    def test_padding_within_an_answer(self):
        with pytest.raises(ValueError, match="eval_seq2seq: padding, the id -1, may stand only at the end"):
            eval_seq2seq(self.Model([3]), numpy.array([[1]]), numpy.array([0, -1, 3]), self.id_to_char)
        with pytest.raises(ValueError, match="seq2seq_accuracy: padding, the id -1, may stand only at the end"):
            seq2seq_accuracy(MODELS["attention"](7, 3, 4, rng=0), [[1], [2]], [[0, -1, 3], [0, 1, 2]])

    def test_batch_size(self):
        with pytest.raises(ValueError, match="seq2seq_accuracy: batch_size must be at least 1, not 0"):
            seq2seq_accuracy(MODELS["attention"](7, 3, 4, rng=0), [[1]], [[0, 1]], batch_size=0)

    def test_an_answer_of_the_start_symbol_alone_is_right(self):
        model = MODELS["attention"](7, 3, 4, rng=0)
        for correct in ([[0, -1]], [[0]], [0]):
            assert eval_seq2seq(model, [[1]], correct, self.id_to_char) == 1
        for correct in ([[0, -1], [0, -1]], [[0], [0]]):
            assert seq2seq_accuracy(model, [[1], [2]], correct) == 1

    @pytest.mark.parametrize("evaluate", [partial(eval_seq2seq, id_to_char={}), seq2seq_accuracy])
    def test_true_answers_are_integers(self, evaluate):
        with pytest.raises(TypeError, match=r"^(eval_seq2seq|seq2seq_accuracy): true answers must be integers,"):
            evaluate(MODELS["seq2seq"](7, 3, 4, rng=0), numpy.array([[1, 2]]), numpy.array([[0.0, 1.0]]))

    @pytest.mark.parametrize("correct", [[], [[]], [[0, 1], [0, 2]], 3, [[[0, 1]]]])
    def test_what_is_not_one_true_answer(self, correct):
        with pytest.raises(ValueError, match=r"^eval_seq2seq: correct must be one answer, .*, got \("):
            eval_seq2seq(MODELS["seq2seq"](7, 3, 4, rng=0), [[1, 2]], correct, {})

    def test_several_questions(self):
        with pytest.raises(ValueError, match=r"^eval_seq2seq: the model must give the ids of one answer, .* not \["):
            eval_seq2seq(MODELS["seq2seq"](7, 3, 4, rng=0), [[1, 2], [3, 4]], [0, 1, 2], {})

    def test_rows_of_unequal_length(self):
        model, ragged, even = MODELS["seq2seq"](7, 3, 4, rng=0), [[0, 1, 1], [0, 1]], [[0, 1], [0, 1]]
        for questions, answers in ((even, ragged), (ragged, even)):
            with pytest.raises(ValueError, match=r"^seq2seq_accuracy: .*to be padded .*, got \[\[0, 1, 1\], \["):
                seq2seq_accuracy(model, questions, answers)

    @pytest.mark.parametrize("answers", [[0, 1], [[], []]])
    def test_true_answers_without_a_start_symbol(self, answers):
        with pytest.raises(ValueError, match=r"^seq2seq_accuracy: expected answers \(n, L\) of a start symbol"):
            seq2seq_accuracy(MODELS["seq2seq"](7, 3, 4, rng=0), [[1], [2]], answers)

    def test_ids_as_arrays_of_one_element(self):
        model = self.Model([numpy.array([3]), numpy.int64(4)])
        assert eval_seq2seq(model, numpy.array([[1]]), numpy.array([0, 3, 4]), self.id_to_char) == 1

    def test_symbols_are_not_moved_to_the_gpu(self, gpu, monkeypatch):
        model, question, correct = self.Model([3, np.asarray([4])]), numpy.array([[1, 2]]), numpy.array([0, 3, 4])
        moved = []
        monkeypatch.setattr(np, "asarray", lambda x, asarray=np.asarray: moved.append(numpy.ndim(x)) or asarray(x))
        assert eval_seq2seq(model, question, correct, self.id_to_char) == 1
        assert 0 not in moved

    def test_a_batch_has_one_start_symbol(self):
        xs, ts = numpy.array([[1, 2], [3, 4], [5, 6]]), numpy.array([[0, 3], [0, 2], [1, 5]])
        with pytest.raises(ValueError, match=r"answers\[2\] begins with 1, the first with 0"):
            seq2seq_accuracy(MODELS["attention"](7, 3, 4, rng=0), xs, ts)

    @pytest.mark.parametrize("where", ["class", "object"])
    def test_a_generate_that_is_overridden_counts(self, where):
        def ones(xs, start_id, sample_size):
            return [1] * sample_size

        class Mine(MODELS["seq2seq"]):
            if where == "class":
                generate = staticmethod(ones)

        model = Mine(7, 3, 4, rng=0)
        if where == "object":
            model.generate = ones
        xs, ts = numpy.array([[1, 2], [3, 4], [5, 6]]), pad([[0, 1, 1], [0, 1], [0, 1, 2]])
        assert seq2seq_accuracy(model, xs, ts) == 2 / 3

    def test_a_generate_batch_that_is_overridden_counts_too(self):
        class Mine(MODELS["seq2seq"]):
            def generate_batch(self, xs, start_id, sample_size, stop_id=None):
                sizes.append(len(xs))
                return numpy.ones((len(xs), sample_size), int)

        model, xs, ts, sizes = Mine(7, 3, 4, rng=0), numpy.array([[1, 2], [3, 4]]), pad([[0, 1], [0, 2]]), []
        assert seq2seq_accuracy(model, xs, ts) == seq2seq_accuracy(model, xs, ts, batch_size=1) == 0.5
        assert sizes == [2, 1, 1]

    def test_a_model_with_generate_alone_is_asked_one_by_one(self):
        model = self.Model([3, 4])
        xs, ts = numpy.array([[1, 2], [5, 6]]), numpy.array([[0, 3, 5], [0, 3, 4]])
        assert seq2seq_accuracy(model, xs, ts) == 0.5
        assert model.asked == ([[5, 6]], 0, 2)

    def test_a_wrapper_answers_in_batches(self):
        class Wrapper:
            def __init__(self, model):
                self.model = model

            def __getattr__(self, name):
                assert name != "generate"
                return getattr(self.model, name)

        model, xs = MODELS["seq2seq"](7, 3, 4, rng=0), numpy.array([[1, 2], [5, 6]])
        ts = pad([[0, *answer] for answer in model.generate_batch(xs, 0, 2).tolist()])
        assert seq2seq_accuracy(Wrapper(model), xs, ts) == 1

    def test_padded_pairs_on_the_gpu(self, gpu):
        model = MODELS["attention"](7, 3, 4, rng=0)
        xs, ts = pad([[1, 2, 3], [5]]), pad([[0, 3], [0, 2, 5]])
        one_by_one = [eval_seq2seq(model, x[None], t[None], self.id_to_char, True) for x, t in zip(xs, ts, strict=True)]
        assert seq2seq_accuracy(model, xs, ts) == sum(one_by_one) / 2


def tagger(rng):
    """One of 3 tags for each of 7 words."""
    layers = TimeEmbedding(rng.standard_normal((7, 4))), TimeAffine(rng.standard_normal((4, 3)), numpy.zeros(3))
    return LanguageModel(list(layers))


class TestIgnoredLabels:
    """The mean is that of the words that count, however the text is cut."""

    @pytest.mark.parametrize("time_size", [1, 5, 35, 60])
    def test_perplexity(self, time_size, rng):
        model, corpus = Rnnlm(4, 3, 4, rng=0, dtype="d"), rng.integers(0, 4, 50)
        for p in model.params:
            p *= 20
        model.loss_layer.ignore_label = 0
        log_p = numpy.log(softmax(model.predict(corpus[None, :-1])[0]))
        model.reset_state()
        own = [-log_p[place, word] for place, word in enumerate(corpus[1:]) if word]
        assert eval_perplexity(model, corpus, 1, time_size) == pytest.approx(math.exp(numpy.mean(own)), rel=1e-9)

    def test_nothing_counts(self):
        model = Rnnlm(4, 3, 4, rng=0)
        model.loss_layer.ignore_label = 0
        assert eval_perplexity(model, [0, 0, 0]) == 1


class TestScoresOfExamples:
    def test_a_state_goes_from_no_batch_to_the_next(self, rng):
        model, x = Rnnlm(7, 3, 4, rng=0, dtype="d"), rng.integers(0, 7, (25, 3))
        model.forward(x[:2], x[:2])
        h, one_by_one = model.lstm_layer.h.copy(), []
        for batch_size in (1, 10, 25):
            one_by_one.append(example_scores(model, x, x, batch_size)["loss"])
            one_by_one.append(example_scores(model, x[::-1], x[::-1], batch_size)["loss"])
        assert one_by_one == pytest.approx([one_by_one[0]] * 6, rel=1e-12)
        numpy.testing.assert_array_equal(model.lstm_layer.h, h)

    def test_nor_do_those_of_a_classifier(self, rng):
        class Last(LanguageModel):
            """The class of each text: a score of its last word."""

            def predict(self, xs):
                return super().predict(xs)[:, -1]

            def forward(self, xs, t):
                return float(cross_entropy_error(softmax(self.predict(xs)), t))

        lstm = TimeLSTM(*(rng.standard_normal(shape) for shape in ((4, 20), (5, 20), 20)), stateful=True)
        table = TimeEmbedding(rng.standard_normal((7, 4)))
        model = Last([table, lstm, TimeAffine(rng.standard_normal((5, 3)), numpy.zeros(3))])
        x, t = rng.integers(0, 7, (25, 3)), rng.integers(0, 3, 25)
        found = [example_scores(model, x, t, batch_size) for batch_size in (1, 10, 25)]
        assert [scores["loss"] for scores in found] == pytest.approx([found[0]["loss"]] * 3, rel=1e-12)
        assert len({scores["accuracy"] for scores in found}) == 1


class TestLossOfPaddedPairs:
    @pytest.mark.parametrize("kind", MODELS)
    def test_does_not_depend_on_the_batch_size(self, kind, rng):
        model = MODELS[kind](7, 3, 4, rng=0, dtype="d")
        for p in model.params:
            p *= 3
        lengths = (1, 5, 2, 6, 1, 3, 0)
        x = pad([rng.integers(0, 7, 1 + length) for length in lengths])
        t = pad([rng.integers(0, 7, 1 + length) for length in lengths])
        one_by_one = [model.forward(x[i : i + 1], t[i : i + 1, : 1 + length]) for i, length in enumerate(lengths[:-1])]
        expected = numpy.average(one_by_one, weights=lengths[:-1])
        for batch_size in (1, 2, 3, 7):
            assert example_scores(model, x, t, batch_size)["loss"] == pytest.approx(expected, rel=1e-9)
        assert example_scores(model, x[-1:], t[-1:], 1)["loss"] == 0  # nothing to predict

    def test_without_padding_it_is_the_mean_of_the_rows(self, rng):
        model, x, t = MODELS["attention"](7, 3, 4, rng=0), rng.integers(0, 7, (5, 3)), rng.integers(0, 7, (5, 4))
        one, two, three = (model.forward(x[i : i + 2], t[i : i + 2]) for i in (0, 2, 4))
        expected = (2 * one + 2 * two + three) / 5
        assert example_scores(model, x, t, 2)["loss"] == expected

    def test_a_tagger_whose_first_labels_count_too(self, rng):
        model, x = tagger(rng), rng.integers(0, 7, (5, 4))
        one_each = numpy.full((5, 4), -1)
        one_each[:, 0] = rng.integers(0, 3, 5)
        gaps = numpy.array([[0, 1, 2, 0], [-1, 1, -1, 2], [2, -1, -1, -1], [-1, -1, -1, -1], [-1, -1, 0, 0]])
        for t in (one_each, gaps):
            scores, places = model.predict(x), zip(*(t >= 0).nonzero(), strict=True)
            expected = numpy.mean([-math.log(softmax(scores[place])[t[place]]) for place in places])
            for batch_size in (1, 2, 3, 5):
                assert example_scores(model, x, t, batch_size)["loss"] == pytest.approx(expected, rel=1e-9)

    def test_a_loss_whose_forward_is_its_own_has_the_mean_of_the_rows(self, rng):
        class Whole(TimeSoftmaxWithLoss):
            def forward(self, xs, ts):
                return float(len(xs))

        model, t = tagger(rng), numpy.array([[0, -1], [1, 1], [2, -1]])
        model.loss_layer = Whole()
        assert example_scores(model, t.clip(0), t, 2)["loss"] == pytest.approx((2 * 2 + 1) / 3)

    def test_of_two_losses_nothing_is_known_and_the_mean_is_that_of_the_rows(self):
        class Two:
            def __init__(self):
                self.params, self.grads, self.losses = [], [], [TimeSoftmaxWithLoss(), TimeSoftmaxWithLoss()]

            def forward(self, x, t):
                for loss in self.losses:
                    loss.forward(x, t)
                return float(len(x))

        x, t = numpy.zeros((3, 2, 3)), numpy.array([[0, -1], [1, 1], [-1, -1]])
        assert example_scores(Two(), x, t, 2)["loss"] == pytest.approx((2 * 2 + 1) / 3)

    @pytest.mark.parametrize("ignore_label", [None, -1])
    def test_labels_of_minus_one_that_are_no_padding(self, ignore_label):
        class Squares:
            def __init__(self):
                self.params, self.grads, self.ignore_label = [], [], ignore_label

            def forward(self, x, t):
                return float(((x - t) ** 2).mean())

        t = numpy.array([[-1, 1], [1, -1], [1, 1]])
        assert example_scores(Squares(), numpy.zeros((3, 2)), t, 2) == {"loss": 1.0}
        x = numpy.array([[1, 1], [0, 0], [3, 1]])
        assert example_scores(Squares(), x, t, 2)["loss"] == pytest.approx((2 * 1.5 + 2) / 3)

    def test_on_the_gpu(self, gpu):
        model = MODELS["seq2seq"](7, 3, 4, rng=0)
        x, t = pad([[1, 2, 3], [5], [2, 2]]), pad([[0, 3], [0, 2, 5, 6, 1], [0, 1, 1]])
        losses = [example_scores(model, x, t, batch_size)["loss"] for batch_size in (1, 2, 3)]
        assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


class Net:
    """A classifier of points, most of which it gets wrong with train_flg."""

    def __init__(self):
        self.params, self.grads = [], []

    def scores(self, x, train_flg=False):
        return 0 * x + numpy.arange(x.shape[1]) if train_flg else x

    def forward(self, x, t):
        return 1.5


class Named(Net):
    def predict(self, inputs):
        return self.scores(inputs)


class WithMode(Net):
    def predict(self, x, train_flg=True):
        return self.scores(x, train_flg)


class WithModeByName(Net):
    def predict(self, points, /, *, scale=1.0, train_flg=True):
        return self.scores(points, train_flg) * scale


class OfTwo(Net):
    def predict(self, x, t):
        return self.scores(x)


class OfAny(Net):
    def predict(self, *x):
        return self.scores(*x)


class ByName(Net):
    def predict(self, *, x):
        return self.scores(x)


class OfText(Net):
    def predict(self, text):
        return text.split()


class Broken(Net):
    def predict(self, x):
        return x.scores


class Answers(Net):
    def predict(self, x):
        return [str(row) for row in x]


class NeedsMore(Net):
    def predict(self, x, vocabulary=None):
        return vocabulary[0]


class OtherRows(Net):
    def predict(self, start, count=5):
        return self.scores(start)[:1]


class Ids(Net):
    def predict(self, x, k=2):
        return self.scores(x).argsort(axis=1)[:, :k]


class TestAccuracy:
    @pytest.mark.parametrize("kind", [Named, WithMode, WithModeByName])
    @pytest.mark.parametrize("one_hot", [False, True])
    def test_of_every_predict_that_needs_the_inputs_alone(self, kind, one_hot, rng):
        x = rng.standard_normal((7, 3))
        t = x.argmax(axis=1)
        t[0] = (t[0] + 1) % 3
        found = example_scores(kind(), x, numpy.eye(3, dtype=int)[t] if one_hot else t, 3)
        assert found == {"loss": 1.5, "accuracy": 6 / 7}

    @pytest.mark.parametrize("kind", [Net, OfTwo, OfAny, ByName, OfText, Answers, NeedsMore, OtherRows, Ids])
    def test_no_other_predict_matters(self, kind, rng):
        assert example_scores(kind(), rng.standard_normal((7, 3)), rng.integers(0, 3, 7), 3) == {"loss": 1.5}

    @pytest.mark.parametrize("kind", [numpy.uint8, bool])
    def test_labels_may_be_of_any_integers_and_booleans(self, kind):
        x = numpy.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
        assert example_scores(Named(), x, numpy.array([1, 0, 0], kind), 2) == {"loss": 1.5, "accuracy": 2 / 3}

    def test_a_regression_has_none(self, rng):
        x = rng.standard_normal((7, 3))
        for t in (x[:, 0], x[:, :1], x, rng.integers(0, 2, (7, 3)) + 0.5):
            assert example_scores(Named(), x, t, 3) == {"loss": 1.5}
        assert example_scores(Named(), x[:, :1], rng.integers(0, 2, 7), 3) == {"loss": 1.5}  # logits of one class

    def test_labels_that_are_not_one_of_the_classes_scored(self):
        several_or_none = numpy.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]])
        for x, t in ((numpy.eye(3), several_or_none), (numpy.eye(4)[:3], numpy.eye(3, dtype=int))):
            assert example_scores(Named(), x, t, 2) == {"loss": 1.5}

    def test_dropout_is_off(self):
        class Dropping(Net):
            def __init__(self):
                super().__init__()
                self.dropout = Dropout(0.9, rng=0)

            def predict(self, x):
                return self.dropout.forward(x)

        t = numpy.arange(60) % 3
        assert example_scores(Dropping(), numpy.eye(3)[t], t, 20) == {"loss": 1.5, "accuracy": 1}

    def test_positional_arguments_are_left_alone(self, rng):
        class Fixed(Net):
            def predict(self, x, train_flg=False, /):
                return self.scores(x, train_flg)

        x = rng.standard_normal((7, 3))
        assert example_scores(Fixed(), x, x.argmax(axis=1), 3)["accuracy"] == 1

    def test_an_error_in_the_predict_of_a_classifier_is_shown(self, rng):
        with pytest.raises(AttributeError, match="scores"):
            example_scores(Broken(), rng.standard_normal((7, 3)), rng.integers(0, 3, 7), 3)

    def test_errors_after_the_first_batch_and_of_the_machine_are_shown(self, rng):
        class Failing(Net):
            def __init__(self, error, batch):
                super().__init__()
                self.error, self.left = error, batch

            def predict(self, inputs):
                self.left -= 1
                if not self.left:
                    raise self.error
                return self.scores(inputs)

        data = rng.standard_normal((7, 3)), rng.integers(0, 3, 7), 3
        for error in (ValueError("no text"), NotImplementedError(), AssertionError()):
            assert example_scores(Failing(error, 1), *data) == {"loss": 1.5}
        for error, batch in ((MemoryError("large"), 1), (ValueError("a bug"), 3)):
            with pytest.raises(type(error), match=str(error)):
                example_scores(Failing(error, batch), *data)

    def test_looking_for_it_moves_no_state_on(self, rng):
        """Scores of a language model are those of no classifier, which only a call of its predict shows."""
        model, x, t = Rnnlm(7, 4, 5, rng=0), rng.integers(0, 7, (4, 5)), rng.integers(0, 7, (4, 5))
        for p in model.params:
            p *= 3
        losses = []
        for i in (0, 2):
            model.reset_state()
            losses.append(model.forward(x[i : i + 2], t[i : i + 2]))
        assert example_scores(model, x, t, 2) == {"loss": pytest.approx(numpy.mean(losses), rel=1e-6)}


def test_dropout_is_off_in_models_that_know_of_no_such_argument():
    class Dropping(LanguageModel):
        def __init__(self):
            W = numpy.random.default_rng(0).standard_normal((7, 4)).astype("f")
            super().__init__([TimeEmbedding(W), TimeDropout(0.5, rng=0), TimeAffine(W.T.copy(), numpy.zeros(7, "f"))])

    model, corpus = Dropping(), numpy.arange(30) % 7
    x, t = corpus[:28].reshape(4, 7), corpus[1:29].reshape(4, 7)

    def scores():
        return eval_perplexity(model, corpus, 2, 5), example_scores(model, x, t, 2)

    found = [scores() for _ in range(2)]
    model.layers[1].train_flg = False
    assert found == [scores()] * 2
    assert not model.layers[1].train_flg


class TestWrappedForward:
    """A forward in a wrapper, which takes any arguments and passes them on."""

    def wrap(self, model):
        forward, model.calls = model.forward, []

        def counted(*args, **kwargs):
            model.calls.append(kwargs)
            return forward(*args, **kwargs)

        model.forward = counted
        return model

    def test_dropout_is_off(self, corpus):
        plain, wrapped = (BetterRnnlm(7, 6, 6, 0.5, rng=0) for _ in range(2))
        for model in (plain, wrapped):
            for p in model.params:
                p *= 4
        assert eval_perplexity(self.wrap(wrapped), corpus) == eval_perplexity(plain, corpus)
        assert wrapped.calls == [{"train_flg": False}] * len(wrapped.calls)
        x, t = corpus[:20].reshape(4, 5), corpus[1:21].reshape(4, 5)
        assert example_scores(wrapped, x, t, 2) == example_scores(plain, x, t, 2)

    def test_a_model_that_refuses_the_argument(self, corpus):
        model, expected = Rnnlm(7, 4, 5, rng=0), eval_perplexity(Rnnlm(7, 4, 5, rng=0), corpus)
        assert eval_perplexity(self.wrap(model), corpus) == expected
        assert model.calls == [{"train_flg": False}] + [{}] * (len(model.calls) - 1)

    def test_other_errors_of_the_model_are_its_own(self, corpus):
        model = Rnnlm(7, 4, 5, rng=0)
        model.forward = lambda x, t, **options: len(None)
        with pytest.raises(TypeError, match="NoneType"):
            eval_perplexity(model, corpus)
