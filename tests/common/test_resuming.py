"""Settings of a training that goes on."""

import pytest

from common import state_file
from common.resuming import ARGUMENT, VALID, check_done, check_same, compare, differences


def test_other_settings_are_named_but_for_the_length():
    compare({"lr": 1.0, "max_epoch": 3}, {"lr": 1.0, "max_epoch": 4})
    with pytest.raises(ValueError, match=r"other settings: lr was 1\.0 and is now 2\.0; tied was None and is now True"):
        compare({"lr": 1.0}, {"lr": 2.0, "tied": True})


def test_long_values_are_cut():
    assert differences({"widths": [1] * 100}, {"widths": "x"}) == f"widths was {str([1] * 100)[:80]} and is now 'x'"
    assert differences({"lr": 1, "max_epoch": 2}, {"lr": 1, "max_epoch": 3}) == "max_epoch was 2 and is now 3"
    assert differences({"lr": 1, "cell": None}, {"lr": 1.0}) == ""


def test_what_was_done_already():
    for done in ((0, 0, 3), (2, 9, 3), (3, 0, 3)):
        check_done(*done)
    with pytest.raises(ValueError, match="the training has done 4 epochs already, and is now to end after 3"):
        check_done(4, 0, 3)
    with pytest.raises(ValueError, match="has done 3 epochs and 2 iterations already, and is now to end after 3"):
        check_done(3, 2, 3)


def test_settings_of_a_fit():
    before = {"data": 1, "max_grad": 5.0, "model.width": 3}
    check_same(before, before)
    check_same(before, {"data": 1, "max_grad": 5.0, VALID: 2})  # arguments and validation data that one side has
    for name, value in (("data", 2), ("max_grad", None), (f"{ARGUMENT}width", 4)):
        with pytest.raises(ValueError, match=f"belongs to another training: {name} was .* and is now {value}"):
            check_same(before, before | {name: value})
    with pytest.raises(ValueError, match=r"max_grad was 5\.0 and is now None"):
        check_same(before, {"data": 1})


def test_names_of_files_that_are_no_text(tmp_path):
    before = state_file.read(state_file.write(tmp_path / "1.npz", {"data": "q\udcff.txt"}))
    compare(before, {"data": "q\udcff.txt"})
    with pytest.raises(ValueError, match=r"data was 'q\\udcff.txt' and is now 'q\\udcfe.txt'"):
        compare(before, {"data": "q\udcfe.txt"})
