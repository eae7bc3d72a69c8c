"""What ends a training: Ctrl-C, and lines that nobody reads."""

import signal
import threading

import pytest

from common import interrupt
from common.interrupt import Interrupt, TrainingInterrupted

GONE = BrokenPipeError(32, "Broken pipe")


def test_nothing_to_end():
    assert not interrupt.request(GONE)


@pytest.mark.parametrize("inside", [None, TrainingInterrupted("stopped")])
def test_a_reader_that_goes_away_ends_the_training_by_its_error(inside):
    with pytest.raises(BrokenPipeError) as end, Interrupt() as asked:
        assert interrupt.request(GONE) and asked.requested
        if inside:
            raise inside
    assert end.value is GONE and not interrupt.request(GONE)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_errors_stay():
    with pytest.raises(FloatingPointError), Interrupt():
        interrupt.request(GONE)
        raise FloatingPointError


@pytest.mark.parametrize("gone_first", [True, False])
def test_ctrl_c_has_its_message_with_a_reader_and_without(gone_first):
    with pytest.raises(TrainingInterrupted, match="saved"), Interrupt() as asked:
        if gone_first:
            interrupt.request(GONE)
        signal.raise_signal(signal.SIGINT)
        interrupt.request(GONE)
        assert asked.requested
        raise TrainingInterrupted("saved")


def test_the_second_ctrl_c_interrupts():
    with pytest.raises(KeyboardInterrupt), Interrupt():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_handler_of_somebody_else_stays():
    def handler(number, frame):
        seen.append(number)

    seen, before = [], signal.signal(signal.SIGINT, handler)
    try:
        with Interrupt() as asked:
            signal.raise_signal(signal.SIGINT)
        assert seen == [signal.SIGINT] and not asked.requested and signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_reader_that_goes_away_ends_all_that_are_under_way():
    with pytest.raises(BrokenPipeError), Interrupt() as outer:
        with pytest.raises(BrokenPipeError), Interrupt() as inner:
            interrupt.request(GONE)
        assert outer.requested and inner.requested


def test_in_another_thread_it_waits_for_no_ctrl_c():
    def run():
        with Interrupt() as asked:
            seen.append((asked.requested, signal.getsignal(signal.SIGINT)))

    seen = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(False, signal.default_int_handler)]
