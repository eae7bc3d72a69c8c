"""Settings noted in a folder, and compared."""

import pytest

from common.files import FileFormatError
from common.resuming import check_length, check_settings, note_settings


def test_length_where_it_matters(tmp_path):
    check_length(tmp_path, 3, "nothing is noted")
    note_settings(tmp_path, {"max_epoch": 3, "lr": 1.0})
    check_length(tmp_path, 3, "it is the same")
    for max_epoch in (2, 4):
        check_settings(tmp_path, {"max_epoch": max_epoch, "lr": 1.0})
        with pytest.raises(ValueError, match=f"max_epoch={max_epoch}, it was begun with 3: the last epoch is special"):
            check_length(tmp_path, max_epoch, "the last epoch is special")
    note_settings(tmp_path, {"lr": 1.0})
    check_length(tmp_path, 3, "it was not noted")


def test_names_of_files_that_are_no_text(tmp_path):
    note_settings(tmp_path, {"data": "q\udcff.txt"})
    check_settings(tmp_path, {"data": "q\udcff.txt"})
    with pytest.raises(ValueError, match=r"data was 'q\\udcff.txt' and is now 'q\\udcfe.txt'"):
        check_settings(tmp_path, {"data": "q\udcfe.txt"})


def test_damaged_settings(tmp_path):
    (tmp_path / "settings.json").write_bytes(b"[]")
    for check in (lambda: check_length(tmp_path, 3, ""), lambda: check_settings(tmp_path, {})):
        with pytest.raises(FileFormatError, match=r"settings\.json: .* Without this file"):
            check()
