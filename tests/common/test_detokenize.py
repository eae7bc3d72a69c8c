import pytest

from common.detokenize import detokenize


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("do n't worry", "Don't worry"),
        ("he 's here and we 're there <eos>", "He's here and we're there.\n"),
        ("the girls ' books <eos> i 'm glad <eos>", "The girls' books.\nI'm glad.\n"),
        ("it sells $ N million of c$ N bonds", "It sells $N million of c$N bonds"),
        ("pay N % to motors inc. <eos> next", "Pay N% to motors inc.\nNext"),
        ("<eos> <eos> well , hello . you ? <eos>", "Well, hello. You?\n"),
        ("one <eos> <eos> two <eos>", "One.\nTwo.\n"),
        ("eBay and IBM", "EBay and IBM"),
        ("us$ N million <eos> us$ N", "Us$N million.\nUs$N"),
        ("<unk> of one", "<unk> of one"),
        ("", ""),
    ],
)
def test_reads_well(words, text):
    assert detokenize(words.split()) == text


def test_capitals_are_an_option():
    assert detokenize(["you", "and", "i", "<eos>", "he"], capitals=False) == "you and i.\nhe"
