import pytest

from common.files import PIECE
from common.text_files import LONGEST_LINE, SHOWN, decode, decoded_pieces, quoted, without_blank_end

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("data", ["a ü\n今\n".encode(), BOM + "a ü\n今\n".encode(), "a ü\r\n今\r\n".encode()])
def test_text_is_the_same_on_every_system(data):
    assert decode(data, "t.txt") == "".join(decoded_pieces(data, "t.txt")) == "a ü\n今\n"


def test_pieces_are_whole_lines():
    data = "".join(f"line {i} ü\r\n" for i in range(10_000)).encode()
    found = list(decoded_pieces(data, "t.txt"))
    assert len(found) > 2 and all(piece.endswith("\n") for piece in found)
    assert "".join(found) == decode(data, "t.txt")
    assert list(decoded_pieces(b"a\nb", "t.txt")) == ["a\nb\n"]
    data = b"a" * PIECE + b"\n" + BOM + b"b\n"
    assert "".join(decoded_pieces(data, "t.txt")) == decode(data, "t.txt") == data.decode()


@pytest.mark.parametrize("lines", [0, PIECE])
def test_what_is_no_utf_8_is_named_with_its_place(lines):
    data = b"a\n" * lines + b"b\xff\n"
    for read in (decode, lambda *given: list(decoded_pieces(*given))):
        with pytest.raises(ValueError, match=rf"^t\.txt: not UTF-8 text: .* at byte {2 * lines + 1}$"):
            read(data, "t.txt")


def test_lines_that_have_run_together():
    with pytest.raises(ValueError, match=rf"^t\.txt: a line of more than {LONGEST_LINE} bytes"):
        list(decoded_pieces(b"a" * (LONGEST_LINE + 2 * PIECE), "t.txt"))


@pytest.mark.parametrize(
    ("data", "expected"), [(b"a\n\n\n", b"a\n"), (b"a\r\n\r\n", b"a\r\n"), (b"a\n\nb\n", b"a\n\nb\n"), (b"a", b"a"),
     (b"a\r\n\r\n \r\n", b"a\r\n"), (b"a \n  ", b"a \n"), (b"", b""), (b" ", b" "), (b"\n \n", b"\n")]
)
def test_blank_lines_at_the_end(data, expected):
    assert without_blank_end(data) == expected


def test_long_lines_are_cut_in_messages():
    assert quoted("a" * SHOWN) == repr("a" * SHOWN)
    assert quoted("a" * SHOWN + "b") == f"{'a' * SHOWN!r} …"
