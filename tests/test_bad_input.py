"""Misuse: what is done, the error, and what its message names: the thing, what was expected and what came."""

import math

import numpy
import pytest

from ch01.two_layer_net import TwoLayerNet
from ch05.simple_rnnlm import SimpleRnnlm
from ch06.rnnlm import Rnnlm
from ch07.rnnlm_gen import RnnlmGen
from ch08.deep_seq2seq import DeepSeq2seq
from common import layers, time_layers, util
from common.block_lengths import BlockLengths
from common.callbacks import EarlyStopping, Plateau, TimeLimit, cosine_decay
from common.checkpoint import Checkpoints
from common.evaluation import seq2seq_accuracy
from common.optimizer import SGD, Adam
from common.text_writer import TextWriter
from common.trainer import RnnlmTrainer, Trainer
from dataset import mini, ptb, sequence


def ones(*shape):
    return numpy.ones(shape, "f")


def ids(*shape):
    return numpy.zeros(shape, int)


def after(layer, *inputs):
    """The layer after a forward."""
    layer.forward(*inputs)
    return layer


def cell(kind, D=3, H=2):
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind.removeprefix("Time")]
    return getattr(time_layers, kind)(ones(D, gates * H), ones(H, gates * H), ones(gates * H))


def stateful_lstm(batch):
    return after(time_layers.TimeLSTM(ones(3, 8), ones(2, 8), ones(8), stateful=True), ones(batch, 4, 3))


def fit(x=None, t=None, learning_rate=0.01, **settings):
    x, t = ones(6, 2) if x is None else x, ids(6) if t is None else t
    with numpy.errstate(over="ignore", invalid="ignore"):
        trainer = Trainer(TwoLayerNet(2, 3, 3, rng=0), SGD(learning_rate))
        trainer.fit(x, t, **{"batch_size": 2, "max_epoch": 1} | settings)


def fit_rnnlm(xs=None, ts=None, model=None, **settings):
    xs, ts = ids(40) if xs is None else xs, ids(40) if ts is None else ts
    settings = {"batch_size": 2, "time_size": 5, "max_epoch": 1} | settings
    RnnlmTrainer(model or Rnnlm(7, 3, 4), SGD()).fit(xs, ts, **settings)


def evaluate(corpus, **settings):
    return util.eval_perplexity(Rnnlm(7, 3, 4), corpus, **settings)


def writer():
    return TextWriter(RnnlmGen(2, 3, 4), {"<eos>": 0, "a": 1}, {0: "<eos>", 1: "a"})


def diverged(model=None):
    model = model or Rnnlm(7, 3, 4)
    model.params[-1][...] = math.nan
    return model


NAN = numpy.array([1, math.nan], "f")

# (what is done, the error, a regular expression that its message matches)
TABLE = {
    "layers": [
        (lambda: layers.MatMul(ones(3)), ValueError, r"MatMul: W must be \(D, M\).*not \(3,\)"),
        (lambda: layers.MatMul([[1.0]]), TypeError, r"MatMul: W must be an array \(D, M\), not list"),
        (lambda: layers.MatMul(ones(0, 3)), ValueError, r"MatMul: every size of W must be at least 1, not \(0, 3\)"),
        (lambda: layers.Softmax().forward(ones(2, 0)), ValueError, r"softmax: .*\(..., K\), .*got \(2, 0\)"),
        (lambda: layers.Affine(ones(3, 4), ones(3)), ValueError, r"Affine: b must be \(M,\) with .*M = 4.*not \(3,\)"),
        (lambda: layers.Affine(ones(3, 4), ones(4)).forward(ones(2, 4)), ValueError,
         r"Affine: an input \(2, 4\) does not fit W \(3, 4\)"),
        (lambda: layers.Affine(ones(3, 4), ones(4)).backward(ones(2, 4)), RuntimeError,
         "Affine: backward needs a forward before it"),
        (lambda: after(layers.Affine(ones(3, 4), ones(4)), ones(2, 3)).backward(ones(4)), ValueError,
         r"Affine: the output is \(2, 4\), .*got \(4,\)"),
        (lambda: after(layers.Sigmoid(), ones(2, 3)).backward(ones(3)), ValueError, r"Sigmoid: .*\(2, 3\).*got \(3,\)"),
        (lambda: layers.Dropout(1.0), ValueError, r"Dropout: dropout_ratio must be in \[0, 1\), not 1.0"),
        (lambda: time_layers.TimeDropout(-0.1), ValueError, r"TimeDropout: dropout_ratio .* not -0.1"),
        (lambda: layers.Embedding(ones(5, 2)).forward([1, 5]), IndexError, "Embedding: ids must lie in 0 … 4, got 5"),
        (lambda: layers.Embedding(ones(5, 2)).forward([-1]), IndexError, "Embedding: ids must lie in 0 … 4, got -1"),
        (lambda: layers.Embedding(ones(5, 2)).forward([1.0]), TypeError,
         r"Embedding: ids must be integers, not float64"),
        (lambda: time_layers.TimeEmbedding(ones(5)), ValueError, r"TimeEmbedding: W must be \(V, D\).*not \(5,\)"),
        (lambda: time_layers.TimeAffine(ones(5, 3).T, ones(5)).forward(ones(2, 4, 4)), ValueError,
         r"TimeAffine: an input \(2, 4, 4\) does not fit W \(3, 5\)"),  # tied, but H is not D
        (lambda: after(layers.MatMul(ids(3, 4)), ones(2, 3)).backward(ones(2, 4)), TypeError,
         "MatMul: a gradient of float32 needs floating-point weights, not int"),
        (lambda: after(layers.Affine(ones(3, 4), ids(4)), ones(2, 3)).backward(ones(2, 4)), TypeError,
         "Affine: a gradient of float32 needs floating-point weights, not int"),
        (lambda: after(layers.Embedding(ids(5, 2)), ids(3)).backward(0.5), TypeError,
         "Embedding: a gradient of float64 needs floating-point weights, not int"),
    ],
    "labels": [
        (lambda: layers.SoftmaxWithLoss().forward(ones(2, 3), [0, 3]), IndexError,
         "SoftmaxWithLoss: labels must lie in 0 … 2, got 3"),
        (lambda: layers.SoftmaxWithLoss().forward(ones(2, 3), [0, -1]), IndexError, "in 0 … 2, got -1"),
        (lambda: layers.SoftmaxWithLoss().forward(ones(2, 3), [[0], [1]]), ValueError,
         r"scores \(2, 3\) need class ids \(2,\) or one-hot labels \(2, 3\), got \(2, 1\)"),
        (lambda: layers.SoftmaxWithLoss().forward(ones(2, 3), [0, 1, 2]), ValueError, r"ids \(2,\).*got \(3,\)"),
        (lambda: layers.SoftmaxWithLoss().forward(ones(2, 3), [0.0, 1.0]), TypeError, "labels must be integers"),
        (lambda: layers.SoftmaxWithLoss().forward(ones(1, 3), [[1, 1, 0]]), ValueError, "must be one-hot"),
        (lambda: layers.SoftmaxWithLoss().forward(ones(2, 4, 3), ids(2, 4)), ValueError,
         r"expected scores \(N, K\), got \(2, 4, 3\)"),
        (lambda: layers.SoftmaxWithLoss().forward(ones(0, 3), ids(0)), ValueError, r"\(N, K\), got \(0, 3\)"),
        (lambda: layers.SigmoidWithLoss().forward(ones(3), [0, 1, 2]), ValueError, "labels must be 0 or 1"),
        (lambda: layers.SigmoidWithLoss().forward(ones(3), [0, 1]), ValueError, r"labels \(3,\).*got \(2,\)"),
        (lambda: layers.SigmoidWithLoss().forward(ones(0), ids(0)), ValueError, r"scores \(N, ...\), got \(0,\)"),
        (lambda: time_layers.TimeSoftmaxWithLoss().forward(ones(2, 3), ids(2)), ValueError,
         r"expected scores \(N, T, V\), got \(2, 3\)"),
        (lambda: time_layers.TimeSoftmaxWithLoss().forward(ones(2, 4, 3), ids(2, 5)), ValueError,
         r"scores \(2, 4, 3\) need class ids \(2, 4\).*got \(2, 5\)"),
        (lambda: time_layers.TimeSoftmaxWithLoss().forward(ones(1, 2, 3), [[-1, -2]]), IndexError,
         "labels must lie in 0 … 2, got -2"),
        (lambda: time_layers.TimeSigmoidWithLoss().forward(ones(2), ids(2)), ValueError,
         r"scores \(N, T\), got \(2,\)"),
        (lambda: util.convert_one_hot([3], 3), ValueError, "ids of the corpus must lie in 0 … 2, got 3"),
        (lambda: layers.cross_entropy_error(ones(2, 3), [0, 3]), IndexError, "cross_entropy_error: labels .*got 3"),
        (lambda: layers.cross_entropy_error(ones(0, 3), ids(0)), ValueError, r"cross_entropy_error: .*got \(0, 3\)"),
    ],
    "recurrent layers": [
        (lambda: time_layers.RNN(ones(3, 4), ones(2, 2), ones(2)), ValueError,
         r"RNN: Wx must be \(D, 2\) .*not \(3, 4\)"),
        (lambda: time_layers.TimeLSTM(ones(3, 8), ones(2, 6), ones(8)), ValueError,
         r"Wh must be \(2, 8\).*not \(2, 6\)"),
        (lambda: time_layers.TimeGRU(ones(3, 6), ones(2, 6), ones(8)), ValueError, r"b must be \(6,\).*not \(8,\)"),
        (lambda: time_layers.TimeBiLSTM(*[ones(3, 8), ones(2, 8), ones(8)], *[ones(4, 8), ones(2, 8), ones(8)]),
         ValueError, r"TimeBiLSTM: Wx1 \(3, 8\) and Wx2 \(4, 8\) must have one shape"),
        (lambda: cell("RNN").forward(ones(4, 3), ones(5, 2)), ValueError,
         r"RNN: a state \(5, 2\) .* batch of 4 .*of 2"),
        (lambda: cell("GRU").forward(ones(4, 2), ones(4, 2)), ValueError,
         r"GRU: expected an input \(N, 3\), got \(4, 2\)"),
        (lambda: cell("LSTM").forward(ones(4, 3), ones(4, 2), ones(1, 2)), ValueError, r"LSTM: a state \(1, 2\)"),
        (lambda: cell("TimeRNN").forward(ones(4, 3)), ValueError,
         r"TimeRNN: expected an input \(N, T, 3\), got \(4, 3\)"),
        (lambda: cell("TimeLSTM").forward(ones(4, 5, 2)), ValueError, r"input \(N, T, 3\), got \(4, 5, 2\)"),
        (lambda: cell("TimeGRU").forward(ones(4, 0, 3)), ValueError, r"one step at least, got an input \(4, 0, 3\)"),
        (lambda: cell("TimeGRU").forward(ones(0, 4, 3)), ValueError, r"one sequence .*got an input \(0, 4, 3\)"),
        (lambda: after(cell("TimeGRU"), ones(1, 4, 3)).backward(ones(1, 4, 3)), ValueError,
         r"TimeGRU: the output is \(1, 4, 2\), .*got \(1, 4, 3\)"),
        (lambda: stateful_lstm(1).forward(ones(5, 4, 3)), ValueError,
         r"TimeLSTM: a state \(1, 2\) does not fit a batch of 5 and a hidden size of 2"),
        (lambda: cell("TimeLSTM").set_state(ones(4, 3)), ValueError, r"TimeLSTM: a state \(4, 3\).*hidden size of 2"),
        (lambda: cell("TimeLSTM").set_state(ones(4, 2), ones(3, 2)), ValueError, r"a state \(3, 2\).* batch of 4"),
    ],
    "models": [
        (lambda: Rnnlm(0, 3, 4), ValueError, "Rnnlm: .*vocab_size"),
        (lambda: Rnnlm(7, True, 4), TypeError, "Rnnlm: wordvec_size must be a whole number, not True"),
        (lambda: SimpleRnnlm(7, 3, -1), ValueError, "SimpleRnnlm: .*hidden_size"),
        (lambda: TwoLayerNet(2, 0, 3), ValueError, "TwoLayerNet: .*hidden_size"),
        (lambda: SimpleRnnlm(3.0, 4, 5), TypeError, r"SimpleRnnlm: vocab_size must be a whole number, not 3\.0"),
        (lambda: TwoLayerNet(2, 3.5, 4), TypeError, r"TwoLayerNet: hidden_size must be a whole number, not 3\.5"),
        (lambda: Rnnlm(7, 3, 4).forward([[1, 7]], [[1, 2]]), IndexError, "TimeEmbedding: ids must lie in 0 … 6, got 7"),
        (lambda: Rnnlm(7, 3, 4).forward([[1, 2]], [[1, 2, 3]]), ValueError, r"\(1, 2, 7\) need class ids \(1, 2\)"),
        (lambda: Rnnlm(7, 3, 4).load_params("nowhere.npz"), FileNotFoundError, r"nowhere\.npz"),
        (lambda: DeepSeq2seq(7, 3, 0), ValueError, "DeepSeq2seq: hidden_size must be at least 1, not 0"),
        (lambda: DeepSeq2seq(7, 3, 4, target_size=0), ValueError, "DeepSeq2seq: target_size must be at least 1, not 0"),
        (lambda: DeepSeq2seq(7, 3, 4, cell=["lstm"]), ValueError, r"cell must be one of lstm, gru, not \['lstm'\]"),
    ],
    "optimizers and clipping": [
        (lambda: SGD().update([ones(2)], []), ValueError, "SGD: 1 params, but 0 grads"),
        (lambda: SGD().update([ones(2)], [ones(2, 1)]), ValueError, r"SGD: params\[0\] is \(2,\), grads\[0\] \(2, 1\)"),
        (lambda: SGD(0.1).update([numpy.float64(3.0)], [numpy.float64(1.0)]), TypeError,
         r"SGD: params\[0\] must be an array, which can be changed in place, not "),
        (lambda: Adam().update([ones(2), 3.0], [ones(2), 1.0]), TypeError, r"Adam: params\[1\] must be an array.* 3.0"),
        (lambda: SGD().update([[3.0]], [ones(1)]), TypeError, r"SGD: params\[0\] must be an array.* not \[3.0\]"),
        (lambda: SGD().update([ones()], [1.0]), TypeError, r"SGD: grads\[0\] must be an array, not 1.0"),
        (lambda: util.clip_grads([ones(2)], 0), ValueError, "max_norm must be a positive number, not 0"),
        (lambda: util.clip_grads([ones(2)], "5"), ValueError, "max_norm must be a positive number, not '5'"),
        (lambda: util.clip_grads([ones(2)], math.nan), ValueError, "max_norm must be a positive number, not nan"),
        (lambda: util.clip_grads([ones(2), NAN], 1), FloatingPointError, r"gradient 1 of shape \(2,\) holds NaN"),
    ],
    "training": [
        (lambda: fit(x=ones(0, 2), t=ids(0)), ValueError, "fit: there are no data to train on"),
        (lambda: fit(t=ids(5)), ValueError, "fit: 6 inputs, but 5 targets"),
        (lambda: fit(max_epoch=0), ValueError, "fit: max_epoch must be at least 1, not 0"),
        (lambda: fit(batch_size=0), ValueError, "fit: batch_size must be at least 1, not 0"),
        (lambda: fit(batch_size=7), ValueError, "fit: batch_size 7 is larger than the data, 6"),
        (lambda: fit(eval_interval=0), ValueError, "fit: eval_interval must be at least 1, not 0"),
        (lambda: fit(max_grad=-1.0), ValueError, "fit: max_grad must be a positive number, .*, not -1"),
        (lambda: fit(x=ones(6, 3)), ValueError, r"Affine: an input \(2, 3\) does not fit W \(2, 3\)"),
        (lambda: fit(x=ones(6, 2) * math.nan), FloatingPointError, "iteration 1: the loss is nan: the inputs hold NaN"),
        (lambda: fit_rnnlm(xs=ids(0), ts=ids(0)), ValueError, "fit: there are no data"),
        (lambda: fit_rnnlm(ts=ids(39)), ValueError, "fit: 40 inputs, but 39 targets"),
        (lambda: fit_rnnlm(max_epoch=0), ValueError, "fit: max_epoch must be at least 1, not 0"),
        (lambda: fit(max_epoch=2.5), TypeError, "fit: max_epoch must be a whole number, not 2.5"),
        (lambda: fit(max_grad="5"), ValueError, "fit: max_grad must be a positive number, .* not '5'"),
        (lambda: fit_rnnlm(time_size="35"), TypeError, "fit: time_size must be a whole number, not '35'"),
        (lambda: fit_rnnlm(batch_size=41), ValueError, "fit: batch_size 41 is larger than the data, 40"),
        (lambda: fit_rnnlm(time_size=0), ValueError, "fit: time_size must be at least 1, not 0"),
        (lambda: fit_rnnlm(time_size=21), ValueError, "batch_size 2 times time_size 21 exceeds .*40 words"),
        (lambda: fit_rnnlm(xs=ones(40)), TypeError, "TimeEmbedding: ids must be integers, not float32"),
        (lambda: fit_rnnlm(xs=ids(40) + 7), IndexError, "TimeEmbedding: ids must lie in 0 … 6, got 7"),
        (lambda: fit_rnnlm(model=diverged()), FloatingPointError, "epoch 1, iteration 1: the loss is nan"),
        (lambda: fit(callbacks=[EarlyStopping()]), ValueError,
         r"EarlyStopping: monitors valid_loss, but fit has no validation data \(valid\)"),
        (lambda: fit(learning_rate=1e39, batch_size=6), FloatingPointError,
         r"epoch 1, iteration 1: training has diverged, weight layers.[02].[Wb] of shape .* holds NaN or infinity"),
        (lambda: Rnnlm(7, 3, 4).save("m", id_to_word={0: "a"}), ValueError,
         "id_to_word: Rnnlm has 7 words there, the vocabulary 1"),
        (lambda: fit(eval_interval=2.5), TypeError, "fit: eval_interval must be a whole number, not 2.5"),
        (lambda: Checkpoints("c", keep=1.5), TypeError, "Checkpoints: keep must be a whole number, not 1.5"),
        (lambda: Checkpoints("c", settings={"data": {1}}), TypeError, "set is not JSON serializable"),
        (lambda: BlockLengths(full="1"), ValueError, "BlockLengths: full must be a probability, not '1'"),
        (lambda: BlockLengths(deviation="1"), ValueError, "deviation must be a number of at least 0, not '1'"),
        (lambda: Plateau("1"), ValueError, "Plateau: factor must lie between 0 and 1, not '1'"),
        (lambda: cosine_decay("9"), ValueError, "expected 0 <= warm_up < max_epoch, not .* max_epoch='9'"),
        (lambda: BlockLengths(shortest=2.5), TypeError, "BlockLengths: shortest must be a whole number, not 2.5"),
        (lambda: fit(callbacks=TimeLimit(1)), TypeError,
         r"fit: callbacks must be a list, such as \[EarlyStopping\(\)\], not a TimeLimit"),
        (lambda: fit(callbacks=None), TypeError, "fit: callbacks must be a list, .* not a NoneType"),
        (lambda: fit(callbacks=[print]), TypeError, "fit: <built-in function print> is no callback, .* on_start, "),
        (lambda: fit(callbacks=[EarlyStopping]), TypeError,
         r"fit: expected a callback, such as EarlyStopping\(\), not the class EarlyStopping"),
        (lambda: fit_rnnlm(xs="abc", ts="abc"), ValueError, r"fit: expected inputs \(n, ...\), .*, got 'abc'"),
        (lambda: fit(t=3), ValueError, r"fit: expected targets \(n, ...\), .*, got 3"),
        (lambda: fit(x=ones(6, 2).astype("d") * 1e300), FloatingPointError,
         "iteration 1: the loss is nan: the inputs hold numbers too large for float32"),
        (lambda: fit(batch_size=True), TypeError, "fit: batch_size must be a whole number, not True"),
        (lambda: fit_rnnlm(valid=ids(9) + 7), IndexError, "fit: valid: ids of the corpus must lie in 0 … 6, got 7"),
        (lambda: fit_rnnlm(valid=ids(0)), ValueError, r"fit: valid: corpus is empty, expected one id at least"),
        (lambda: fit_rnnlm(valid=ids(1)), ValueError, r"fit: valid: expected a corpus \(n,\) of 2 .*, got \(1,\)"),
        (lambda: fit_rnnlm(valid="abc"), ValueError, r"fit: valid: corpus must be ids \(n,\), got \(\)"),
        (lambda: fit_rnnlm(valid=(ids(9), ids(9))), ValueError, r"fit: valid: corpus must be ids \(n,\), got \(2, 9\)"),
        (lambda: fit_rnnlm(valid=([1, 2], [3])), ValueError,
         r"fit: valid must be a corpus \(n,\) or a function of the model, not \(\[1, 2\], \[3\]\)"),
        (lambda: fit_rnnlm(valid=ones(9)), TypeError, "fit: valid: ids of the corpus must be integers, not float32"),
        (lambda: fit(valid=(ones(0, 2), ids(0))), ValueError, "fit: valid has 0 inputs and 0 targets, expected "),
        (lambda: fit(valid=(ones(3, 2), ids(2))), ValueError, "fit: valid has 3 inputs and 2 targets"),
        (lambda: fit(valid=ones(3, 2)), ValueError,
         r"fit: valid must be a pair \(x, t\) or a function of the model, not an array \(3, 2\) of float32"),
        (lambda: fit(valid=(3, 4)), ValueError, r"fit: valid must be a pair .* not \(3, 4\)"),
        (lambda: fit(valid=0.1), ValueError, "fit: valid must be a pair .* not 0.1"),
    ],
    "evaluation": [
        (lambda: evaluate(ids(0)), ValueError, r"expected a corpus \(n,\) of 2 words at least, got \(0,\)"),
        (lambda: evaluate(ids(1)), ValueError, r"of 2 words at least, got \(1,\)"),
        (lambda: evaluate(ids(2, 5)), ValueError, r"expected a corpus \(n,\) .*got \(2, 5\)"),
        (lambda: evaluate(ids(9), batch_size=0), ValueError, "eval_perplexity: batch_size must be at least 1, not 0"),
        (lambda: evaluate(ids(9), time_size=0), ValueError, "eval_perplexity: time_size must be at least 1, not 0"),
        (lambda: evaluate(ids(9), time_size=2.5), TypeError, "eval_perplexity: time_size must be a whole number"),
        (lambda: evaluate(ids(9) + 7), IndexError, "ids must lie in 0 … 6, got 7"),
        (lambda: evaluate(ones(9)), TypeError, "TimeEmbedding: ids must be integers, not float32"),
        (lambda: util.eval_perplexity(diverged(), ids(9)), FloatingPointError, "eval_perplexity: the loss is nan"),
        (lambda: util.eval_seq2seq(DeepSeq2seq(7, 3, 4), numpy.array([[1, -1, 2]]), ids(3), {}), ValueError,
         "padding, the id -1, may stand only at the end"),
        (lambda: seq2seq_accuracy(None, [], []), ValueError,
         "seq2seq_accuracy: 0 questions and 0 answers, expected as many, and one at least"),
    ],
    "text and vectors": [
        (lambda: writer().write(b"a"), TypeError, "TextWriter.write: prompt must be a str, .*, not b'a'"),
        (lambda: writer().write(0), TypeError, "TextWriter.write: prompt must be a str, .*, not 0"),
        (lambda: util.preprocess(""), ValueError, "text is empty"),
        (lambda: util.preprocess(["a"]), TypeError, "one string, got list"),
        (lambda: util.create_contexts_target(ids(9), 0), ValueError, "window_size must be at least 1, not 0"),
        (lambda: util.create_contexts_target(ids(4), 2), ValueError, "takes 5 words or more, the corpus has 4"),
        (lambda: util.create_co_matrix([], 3), ValueError, "corpus is empty"),
        (lambda: util.create_co_matrix([0, 3], 3), ValueError, "ids of the corpus must lie in 0 … 2, got 3"),
        (lambda: util.ppmi(ones(2, 3)), ValueError, r"square counts C \(V, V\), got \(2, 3\)"),
        (lambda: util.cos_similarity(ones(2), ones(3)), ValueError, r"same length, got \(2,\) and \(3,\)"),
        (lambda: util.most_similar("a", {"a": 2}, {2: "a"}, ones(2, 3)), ValueError, r"word_matrix \(2, 3\) .* row 2,"),
    ],
    "data": [
        (lambda: ptb.load_data("tset"), ValueError, "no split 'tset', expected one of 'train', 'test', 'valid', 'val'"),
        (lambda: mini.load_data("tset"), ValueError, "split 'tset'.*'train'"),
        (lambda: sequence.load_data("nowhere.txt"), FileNotFoundError, r"nowhere\.txt"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("misuse", "error", "message"),
    [pytest.param(*row, id=f"{part}: {row[2]}") for part, rows in TABLE.items() for row in rows],
)
def test_misuse(misuse, error, message):
    with pytest.raises(error, match=message):
        misuse()


@pytest.mark.parametrize("kind", ["TimeRNN", "TimeLSTM", "TimeGRU"])
def test_a_refused_forward_leaves_the_layer_usable(kind):
    layer = cell(kind)
    expected = layer.forward(ones(2, 4, 3))
    with pytest.raises(ValueError, match="expected an input"):
        layer.forward(ones(2, 4, 9))
    numpy.testing.assert_array_equal(layer.forward(ones(2, 4, 3)), expected)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"callbacks": [print]}, TypeError), ({"valid": (ones(0, 2), ids(0))}, ValueError), ({"valid": 3}, ValueError)],
)
def test_callbacks_and_validation_data_are_checked_before_the_first_iteration(options, error):
    trainer = Trainer(TwoLayerNet(2, 3, 3), SGD())
    with pytest.raises(error):
        trainer.fit(ones(6, 2), ids(6), 1, 2, **options)
    assert trainer.iteration == trainer.current_epoch == 0 and trainer.history == []
    trainer.fit(ones(6, 2), ids(6), 1, 2)
    assert trainer.current_epoch == 1


def test_refused_settings_leave_the_model_as_it_was():
    model = TwoLayerNet(2, 3, 3, rng=0)
    before = [p.copy() for p in model.params]
    for settings in ({"max_epoch": 0}, {"batch_size": 7}, {"max_grad": 0.0}):
        with pytest.raises(ValueError, match=r"must be|larger"):
            Trainer(model, SGD()).fit(ones(6, 2), ids(6), **{"batch_size": 2} | settings)
    assert all((p == b).all() for p, b in zip(model.params, before, strict=True))
