"""Settings of a training that goes on."""

import pytest

from common import state_file
from common.resuming import check_done, check_length, compare, differences


def test_other_settings_are_named_but_for_the_length():
    compare({"lr": 1.0, "max_epoch": 3}, {"lr": 1.0, "max_epoch": 4})
    with pytest.raises(ValueError, match=r"other settings: lr was 1\.0 and is now 2\.0; tied was None and is now True"):
        compare({"lr": 1.0}, {"lr": 2.0, "tied": True})


def test_long_values_are_cut():
    assert differences({"widths": [1] * 100}, {"widths": "x"}) == f"widths was {str([1] * 100)[:80]} and is now 'x'"
    assert differences({"lr": 1, "max_epoch": 2}, {"lr": 1, "max_epoch": 3}) == "max_epoch was 2 and is now 3"
    assert differences({"lr": 1, "cell": None}, {"lr": 1.0}) == ""


def test_length_where_it_matters():
    check_length({"max_epoch": 3}, {"max_epoch": 3}, "it is the same")
    for max_epoch in (2, 4):
        with pytest.raises(ValueError, match=f"max_epoch was 3 and is now {max_epoch}, but the last epoch is special"):
            check_length({"max_epoch": 3}, {"max_epoch": max_epoch}, "the last epoch is special")


def test_what_was_done_already():
    for settings in ((5, 5, 5, 0), (5, 5, 9, 3), (5, 8, 5, 0), (5, 3, 3, 0), (None, 1, 5, 0), (5, None, 5, 0)):
        check_done(*settings)
    with pytest.raises(ValueError, match="max_epoch was 5 and is now 3, but the training has done 4 epochs already"):
        check_done(5, 3, 4, 0)
    with pytest.raises(ValueError, match="has done 3 epochs and 2 iterations already"):
        check_done(5, 3, 3, 2)


def test_names_of_files_that_are_no_text(tmp_path):
    before = state_file.read(state_file.write(tmp_path / "1.npz", {"data": "q\udcff.txt"}))
    compare(before, {"data": "q\udcff.txt"})
    with pytest.raises(ValueError, match=r"data was 'q\\udcff.txt' and is now 'q\\udcfe.txt'"):
        compare(before, {"data": "q\udcfe.txt"})
