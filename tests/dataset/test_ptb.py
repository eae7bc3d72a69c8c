import hashlib
import os
import time
from pathlib import Path

import numpy
import pytest

from dataset import download, ptb

TEXTS = {
    "train": " the cat sat \n the <unk> ran N times \n\n cats ran \n",
    "valid": " cats sat \n",
    "test": " the cat ran \n N times \n",
}
WORDS = ["the", "cat", "sat", "<eos>", "<unk>", "ran", "N", "times", "cats"]


def remote(split):
    data = TEXTS[split].encode()
    return download.RemoteFile(f"ptb.{split}.txt", hashlib.sha256(data).hexdigest(), len(data))


@pytest.fixture
def toy(cache, monkeypatch):
    """A corpus of four lines takes the place of the real one; nothing of it is on this computer."""
    files = {split: remote(split) for split in TEXTS}
    monkeypatch.setattr(ptb, "TRAIN", files["train"])
    for split in ptb.SPLITS:
        monkeypatch.setitem(ptb.SPLITS, split, files["valid" if split == "val" else split])
    return files


@pytest.fixture
def on_disk(toy, tmp_path, monkeypatch):
    for split, file in toy.items():
        (tmp_path / file.name).write_bytes(TEXTS[split].encode())
    monkeypatch.setenv(download.VARIABLE, str(tmp_path))
    monkeypatch.setattr(ptb, "MIRRORS", ())
    return tmp_path


@pytest.mark.parametrize("split", ["train", "test", "valid", "val"])
def test_splits(on_disk, split):
    corpus, word_to_id, id_to_word = ptb.load_data(split)
    text = TEXTS["valid" if split == "val" else split]
    expected = [word for line in text.splitlines() for word in (*line.split(), "<eos>")]
    assert [id_to_word[int(i)] for i in corpus] == expected
    assert corpus.dtype == numpy.int64 and corpus.shape == (len(expected),)
    assert list(word_to_id) == WORDS and list(word_to_id.values()) == list(range(len(WORDS)))
    assert id_to_word == dict(enumerate(WORDS))


def test_vocabulary(on_disk):
    assert ptb.load_vocab() == ptb.load_data("test")[1:]


def test_vocabulary_cannot_be_spoiled_by_its_readers(on_disk):
    ptb.load_vocab()[0].clear()
    ptb.load_data("train")[1].clear()
    assert list(ptb.load_vocab()[0]) == WORDS


@pytest.mark.parametrize("split", ["dev", "", None, "Train"])
def test_unknown_split(on_disk, split):
    with pytest.raises(ValueError, match=f"no split {split!r}, expected one of 'train', 'test', 'valid', 'val'"):
        ptb.load_data(split)


def test_only_what_is_needed_is_downloaded(toy, server, cache, monkeypatch):
    server.files.update({file.name: TEXTS[split].encode() for split, file in toy.items()})
    monkeypatch.setattr(ptb, "MIRRORS", (server.mirror("missing"), server.mirror("good")))
    ptb.load_data("train")
    assert [path.name for path in cache.iterdir()] == ["ptb.train.txt"]
    ptb.load_data("val")
    assert sorted(path.name for path in cache.iterdir()) == ["ptb.train.txt", "ptb.valid.txt"]
    assert server.requests == ["missing", "good"] * 2


def test_text_that_is_not_utf8(toy, tmp_path, monkeypatch):
    data = b" caf\xe9 \n"
    (tmp_path / "ptb.train.txt").write_bytes(data)
    monkeypatch.setenv(download.VARIABLE, str(tmp_path))
    file = download.RemoteFile("ptb.train.txt", hashlib.sha256(data).hexdigest(), len(data))
    monkeypatch.setattr(ptb, "TRAIN", file)
    with pytest.raises(ValueError, match=r"ptb\.train\.txt: not UTF-8"):
        ptb.load_vocab()


def test_mirrors_are_several_and_use_tls():
    assert len(set(ptb.MIRRORS)) >= 2
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in ptb.MIRRORS)


FOLDER = Path(os.environ.get(download.VARIABLE) or os.devnull)
real = pytest.mark.skipif(
    not all((FOLDER / file.name).is_file() for file in ptb.SPLITS.values()),
    reason=f"needs the three PTB files in the folder named by {download.VARIABLE}",
)


@real
@pytest.mark.parametrize(("split", "tokens"), [("train", 929_589), ("test", 82_430), ("valid", 73_760)])
def test_real_sizes(split, tokens):
    began = time.process_time()
    corpus, word_to_id, id_to_word = ptb.load_data(split)
    assert time.process_time() - began < 2  # 0.3 s of the processor
    assert corpus.shape == (tokens,)
    assert len(word_to_id) == len(id_to_word) == 10_000
    assert corpus.min() >= 0 and corpus.max() < 10_000


@real
def test_real_words():
    corpus, word_to_id, id_to_word = ptb.load_data("train")
    assert [id_to_word[i] for i in range(3)] == ["aer", "banknote", "berlitz"]
    assert [word_to_id[word] for word in ("car", "happy", "lexus")] == [3856, 4428, 7426]
    assert corpus[:30].tolist() == [*range(30)]
    assert int((corpus == word_to_id["<eos>"]).sum()) == 42_068
