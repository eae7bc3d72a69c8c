"""What tests of the chapter's trainings share."""

import functools

import pytest

from dataset import mini

load_data = functools.cache(functools.partial(mini.load_data, size=2000))


@pytest.fixture
def small_splits(tmp_path, monkeypatch):
    """2,000 words in each part of the mini corpus, and an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mini, "load_data", load_data)
