"""Work shared among threads."""

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
from threadpoolctl import threadpool_limits

from common import threads
from common.threads import blas_architectures, blas_on_one_thread, blas_threads, in_halves, share, side_by_side

pytestmark = pytest.mark.usefixtures("idle_cores")
ROOT = Path(__file__).parents[2]
cores_are_idle = threads.cores_are_idle  # as it is without that


@pytest.fixture(params=[1, 2, 9])
def count(request, monkeypatch):
    """As if the BLAS had so many threads, also on a machine with fewer cores."""
    monkeypatch.setattr(threads, "blas_threads", lambda: request.param)
    return request.param


@pytest.mark.parametrize("parts", [0, 1, 3, 4, 50])
def test_each_part_once(count, parts):
    done = []
    share(done.append, range(parts))
    assert sorted(done) == list(range(parts))


def test_several_at_a_time(monkeypatch):
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    together, names, before = threading.Barrier(2, timeout=60), set(), threading.active_count()

    def work(part):
        together.wait()
        names.add(threading.current_thread())

    share(work, range(4))
    assert len(names) == 2 and threading.main_thread() in names
    assert threading.active_count() == before  # none is left, which a fork would lose


@pytest.mark.parametrize("blas, parts, expected", [(1, 100, 1), (2, 3, 1), (2, 4, 2), (3, 100, 3), (64, 100, 4)])
def test_how_many_threads(blas, parts, expected, monkeypatch):
    monkeypatch.setattr(threads, "blas_threads", lambda: blas)
    started, submit = [], ThreadPoolExecutor.submit
    monkeypatch.setattr(ThreadPoolExecutor, "submit", lambda *args: started.append(1) or submit(*args))
    share(lambda part: None, range(parts))
    assert len(started) == expected - 1


def test_an_error_arrives(count):
    def work(part):
        if part == 7:
            raise ArithmeticError("seven")

    with pytest.raises(ArithmeticError, match="seven"):
        share(work, range(20))


def test_an_error_on_another_thread_arrives(monkeypatch):
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    together = threading.Barrier(2, timeout=60)

    def work(part):
        if part < 2:
            together.wait()
        if threading.current_thread() is not threading.main_thread():
            raise ArithmeticError("no")

    with pytest.raises(ArithmeticError, match="no"):
        share(work, range(4))


def test_warnings_are_what_they_are_outside(count):
    def work(part):
        numpy.ones(1) / numpy.zeros(1)

    with numpy.errstate(all="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
        share(work, range(20))
    with numpy.errstate(all="ignore"):
        share(work, range(20))


def test_no_more_threads_can_be_started(count, monkeypatch):
    """As at the end of a process, in a thread that outlives the main one."""

    def refuse(self, *args, **kwargs):
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    done = []
    share(done.append, range(20))
    assert done == list(range(20))


def test_a_blas_on_one_thread_stays_so():
    """As in one of several trainings side by side."""
    with threadpool_limits(1, "blas"):
        assert blas_threads() == 1
    with threadpool_limits(2, "blas"):
        assert blas_threads() == 2


def test_without_threadpoolctl(monkeypatch):
    """In an environment that was installed before it was a dependency."""
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    threads._blas.cache_clear()
    try:
        assert blas_threads() == 1
    finally:
        threads._blas.cache_clear()


def test_on_the_gpu_there_is_one(gpu):
    assert blas_threads() == 1


@pytest.fixture
def idle():
    """The threads that wait for work, none at first."""
    idle = threads._Second._idle
    while idle:
        idle.pop()._end()
    return idle


def test_side_by_side(count, idle):
    """Both are called each time, on the same two threads if the BLAS has two, and in the next context, too."""
    before, names = threading.active_count(), []
    for _ in range(2):
        with side_by_side() as both:
            assert threading.active_count() == before or names  # none yet
            for _ in range(3):
                done = [None, None]

                def note(i, done=done):
                    done[i] = threading.current_thread()

                both(lambda: note(0), lambda: note(1))
                names.append(done)
            assert threading.active_count() == before + (count > 1)
    assert threading.active_count() == before + len(idle) == before + (count > 1)
    assert {name for name, _ in names} == {threading.main_thread()}
    others = {name for _, name in names}
    assert len(others) == 1 and (others == {threading.main_thread()}) == (count == 1)


def test_side_by_side_is_at_the_same_time(monkeypatch):
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    together = threading.Barrier(2, timeout=60)
    with side_by_side() as both:
        both(together.wait, together.wait)


def raise_(error):
    raise error


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("error", [ArithmeticError("seven"), KeyboardInterrupt()])
def test_an_error_on_either_side(which, error, count, idle):
    before, done = threading.active_count(), []
    work = [lambda: done.append(0), lambda: done.append(1)]
    work[which] = lambda: raise_(error)
    with pytest.raises(type(error)), side_by_side() as both:
        both(*work)
    assert threading.active_count() == before + len(idle) == before + (count > 1)
    assert done == ([] if which == 0 and count == 1 else [1 - which])


def test_after_an_error_it_goes_on(count):
    done = []
    with side_by_side() as both:
        for _ in range(3):
            with pytest.raises(ArithmeticError):
                both(lambda: done.append(0), lambda: raise_(ArithmeticError()))
            both(lambda: done.append(1), lambda: done.append(2))
    assert sorted(done) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("which", [0, 1])
def test_an_error_keeps_nothing(which, count):
    """Of what its traceback holds, as the arrays of a layer that ran out of memory."""

    class Held:
        pass

    def fail():
        held = Held()
        found.append(weakref.ref(held))
        work = [lambda: None, lambda: held]
        work[which] = lambda: held / 0
        with side_by_side() as both:
            both(*work)

    found: list[weakref.ref[Held]] = []
    gc.disable()
    try:
        with contextlib.suppress(TypeError):
            fail()
        assert found[0]() is None
    finally:
        gc.enable()


def test_of_two_errors_the_first_ones(count):
    with pytest.raises(ArithmeticError, match="one"), side_by_side() as both:
        both(lambda: raise_(ArithmeticError("one")), lambda: raise_(ArithmeticError("other")))


def test_side_by_side_warns_as_outside(count):
    def divide():
        numpy.ones(1) / numpy.zeros(1)

    with numpy.errstate(all="raise"), pytest.raises(FloatingPointError), side_by_side() as both:
        both(lambda: None, divide)
    with numpy.errstate(all="ignore"), side_by_side() as both:
        both(divide, divide)


def test_each_has_a_second_thread_of_its_own(monkeypatch, idle):
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    names = []
    with side_by_side() as outer, side_by_side() as inner:
        outer(lambda: None, lambda: names.append(threading.current_thread()))
        inner(lambda: None, lambda: names.append(threading.current_thread()))
    assert len(set(names)) == len(idle) == 2


def test_a_thread_that_waits_holds_nothing(monkeypatch, idle):
    """Of its last work, such as the arrays of a layer."""

    class Held:
        pass

    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    held = Held()
    found = weakref.ref(held)
    with side_by_side() as both:
        both(lambda: None, lambda held=held: None)
    del held
    assert idle and found() is None


def test_an_interrupt_of_the_wait_ends_the_thread(monkeypatch, idle):
    """Since it may still be at its work when the next would come."""
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    before, done = threading.active_count(), []

    class Interrupted:
        def get(self):
            raise KeyboardInterrupt

        def put(self, error):
            done.append(error)

    with side_by_side() as both:
        both(lambda: None, lambda: None)
    idle[0]._errors = Interrupted()
    with pytest.raises(KeyboardInterrupt), side_by_side() as both:
        both(lambda: None, lambda: None)
    assert not idle and done == [None] and threading.active_count() == before


def test_side_by_side_where_no_thread_can_be_started(monkeypatch, idle):
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    monkeypatch.setattr(threading.Thread, "start", lambda self: raise_(RuntimeError("can't start new thread")))
    done = []
    with side_by_side() as both:
        for _ in range(2):
            both(lambda: done.append(0), lambda: done.append(1))
    assert done == [0, 1, 0, 1]


def test_an_interrupt_while_the_thread_begins_leaves_none(monkeypatch, idle):
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    before, start = threading.active_count(), threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda self: start(self) or raise_(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt), side_by_side() as both:
        both(lambda: None, lambda: None)
    assert threading.active_count() == before


@pytest.fixture
def two():
    with threadpool_limits(2, "blas"):
        if blas_threads() != 2:
            pytest.skip("needs a BLAS with two threads")
        yield


def parts_of(rows):
    """(the part, the thread, the threads of the BLAS) of each call."""
    calls = []

    def work(part, turn):
        with turn:
            calls.append((part, threading.current_thread(), blas_threads()))

    in_halves(work, rows)
    return sorted(calls, key=lambda call: call[0].stop)


@pytest.mark.parametrize("rows", [2, 7, 128])
def test_in_halves(rows, two, idle):
    """Each on a thread of its own, with a BLAS of one thread, and all rows in order."""
    (first, here, count), (second, there, other_count) = parts_of(rows)
    assert [*range(rows)[first], *range(rows)[second]] == [*range(rows)] and abs(first.stop - rows / 2) < 1
    assert here is threading.main_thread() is not there and count == other_count == 1
    assert blas_threads() == 2
    assert len(idle) == 1 and parts_of(rows)[1][1] is there and len(idle) == 1  # given back, and taken again


def test_halves_are_done_at_the_same_time_but_for_their_turns(two):
    together, inside = threading.Barrier(2, timeout=60), []

    def work(part, turn):
        together.wait()
        for _ in range(50):
            with turn:
                inside.append(part)
                time.sleep(1e-5)  # long enough for the other thread to go on
                assert len(inside) == 1
                inside.pop()

    in_halves(work, 10)


def test_where_halves_gain_nothing(monkeypatch, two):
    """With another number of threads, none that can be started, or a BLAS that another has on one thread."""
    whole = [(slice(5), threading.main_thread())]
    for count in (1, 3):
        with monkeypatch.context() as m:
            m.setattr(threads, "blas_threads", lambda count=count: count)
            assert [call[:2] for call in parts_of(5)] == whole
    with monkeypatch.context() as m:
        m.setattr(threads._Second, "take", lambda: None)
        assert parts_of(5) == [(*whole[0], 2)]
    with blas_on_one_thread() as held, threadpool_limits(2, "blas"):
        assert held and parts_of(5) == [(*whole[0], 2)]
    assert blas_threads() == 2


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("error", [ArithmeticError(), KeyboardInterrupt()])
def test_an_error_in_a_half(which, error, two):
    """It arrives when both have ended, and the BLAS has its threads again."""
    done = []

    def work(part, turn):
        with turn:
            done.append(part)
            if bool(part.start) == bool(which):
                raise error

    with pytest.raises(type(error)):
        in_halves(work, 10)
    assert len(done) == 2 and blas_threads() == 2 and not threads._holding.locked()
    assert len(parts_of(10)) == 2


def test_halves_in_several_threads_at_once(two):
    """Only one has the BLAS on one thread; it is on two when all have ended."""

    def work(part, turn):
        for _ in range(20):
            products = numpy.ones((50, 50)) @ numpy.ones((50, 50))
            with turn:
                done.extend(products[0, : part.stop - (part.start or 0)])

    done: list[float] = []
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: in_halves(work, 10), range(40)))
    assert len(done) == 40 * 20 * 10 and set(done) == {50} and blas_threads() == 2


@pytest.mark.parametrize("count", [1, 2])
def test_of_contexts_at_once_one_holds_the_blas(count):
    with threadpool_limits(count, "blas"):
        with blas_on_one_thread() as held:
            assert held and blas_threads() == 1
            with blas_on_one_thread() as held_again:
                assert not held_again
            assert blas_threads() == 1
        assert blas_threads() == count


def test_an_interrupt_while_the_blas_is_restored(two, monkeypatch):
    """What it has left to do is done when the number is asked for."""
    with monkeypatch.context() as m:
        with pytest.raises(KeyboardInterrupt), blas_on_one_thread():
            m.setattr(threads, "_restore_blas", lambda: raise_(KeyboardInterrupt()))
        assert not threads._holding.locked() and max(library.num_threads for library, _ in threads._usual) == 1
    assert len(parts_of(10)) == 2 and blas_threads() == 2


def test_an_interrupt_of_a_library_leaves_the_others_to_restore(monkeypatch):
    class Library:
        num_threads = 2

        def set_num_threads(self, count):
            if count == 2 and interrupts:
                raise interrupts.pop()
            self.num_threads = count

    class Libraries:
        lib_controllers = Library(), Library()

    monkeypatch.setattr(threads, "_blas", Libraries)
    interrupts = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt), blas_on_one_thread():
        assert [library.num_threads for library in Libraries.lib_controllers] == [1, 1]
    assert blas_threads() == 2 and [library.num_threads for library in Libraries.lib_controllers] == [2, 2]


def test_after_its_context_both_has_no_second_thread(two):
    with side_by_side() as both:
        both(lambda: None, lambda: None)
    names = []
    both(lambda: names.append(threading.current_thread()), lambda: names.append(threading.current_thread()))
    assert names == [threading.main_thread()] * 2


def run_program(code, *options, **environment):
    """A Python of its own, in which the BLAS waits as `common` has it do, if the environment does not say otherwise."""
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_THREAD_TIMEOUT"} | environment
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


FORKED_MEANWHILE = """
import os, signal, threading
from common.threads import blas_on_one_thread, blas_threads, in_halves, side_by_side
from threadpoolctl import threadpool_limits

children, parent = [], os.getpid()

def work(part, turn):
    if part.start is None:
        children.append(os.fork())
        if not children[0]:
            signal.alarm(20)  # rather than wait for a thread that is not there
            assert blas_threads() == 2
            calls = []
            in_halves(lambda part, turn: calls.append(threading.current_thread()), 10)
            os._exit(0 if len(set(calls)) == 2 else 1)

with threadpool_limits(2, "blas"):
    in_halves(lambda part, turn: None, 10)
    if not os.fork():  # while a thread waits, which the child has not
        signal.alarm(20)
        in_halves(lambda part, turn: None, 10)
        os._exit(0)
    in_halves(work, 10)
    with blas_on_one_thread():
        child = os.fork()
    assert blas_threads() == 2
    if not child:
        with blas_on_one_thread() as held:
            os._exit(not held)
    with side_by_side() as both:
        both(lambda: None, lambda: None)
        if not os.fork():
            signal.alarm(20)
            both(lambda: None, lambda: None)
    if os.getpid() != parent:
        calls = []
        in_halves(lambda part, turn: calls.append(threading.current_thread()), 10)
        os._exit(len(set(calls)) != 2)
print(*(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(4)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_threads_of_its_own(two):
    done = run_program(FORKED_MEANWHILE, "-W", "ignore::DeprecationWarning")
    assert (done.stdout.split(), done.stderr) == (["0"] * 4, "")


def test_the_end_of_a_program_waits_for_no_thread(two):
    code = """
import threading
from common.threads import in_halves
from threadpoolctl import threadpool_limits

class AtTheEnd:
    def __del__(self, in_halves=in_halves, print=print):
        in_halves(lambda part, turn: None, 10)
        print("end")

threadpool_limits(2, "blas")
in_halves(lambda part, turn: None, 10)
print(threading.active_count())
at_the_end = AtTheEnd()
"""
    done = run_program(code)
    assert (done.stdout.split(), done.stderr, done.returncode) == (["2", "end"], "", 0)


def test_the_cpu_that_openblas_sees(monkeypatch):
    """By its own name; other libraries have none."""

    class Libraries:
        def info(self):
            return [{"internal_api": "openblas", "architecture": "Zen"}, {"internal_api": "mkl"}]

    for libraries, expected in ((Libraries(), {"Zen"}), (None, set())):
        monkeypatch.setattr(threads, "_blas", lambda libraries=libraries: libraries)
        blas_architectures.cache_clear()
        try:
            assert blas_architectures() == expected
        finally:
            blas_architectures.cache_clear()


@pytest.mark.parametrize("timeout, expected", [("21", True), ("22", True), ("23", False), ("0", False), ("x", False)])
def test_how_long_the_blas_may_wait(timeout, expected, monkeypatch):
    monkeypatch.setattr(threads, "cores_are_idle", cores_are_idle)
    monkeypatch.setattr(threads, "openblas_timeout", timeout)
    monkeypatch.setattr(threads, "blas_threads", lambda: 3)
    for architectures in ({"Zen"}, set()):  # of another BLAS it is not known
        monkeypatch.setattr(threads, "blas_architectures", lambda architectures=architectures: architectures)
        assert threads.cores_are_idle() == (expected or not architectures)
        assert threads.spare_threads() == (3 if expected or not architectures else 1)


@pytest.mark.parametrize(
    "first, given, expected",
    [
        ("", None, "False 21 21"),
        ("", "26", "False 26 26"),
        ("import numpy", None, "True 21 28"),  # in the environment for programs that this one calls
        ("import numpy", "20", "True 20 20"),
    ],
)
def test_the_blas_is_not_to_wait_long(first, given, expected):
    """Set before NumPy is imported, unless the user has. If that is too late, it is known."""
    code = f"""
import sys
{first}
import common, os
print('numpy' in sys.modules, os.environ['OPENBLAS_THREAD_TIMEOUT'], common.openblas_timeout)
"""
    done = run_program(code, **({} if given is None else {"OPENBLAS_THREAD_TIMEOUT": given}))
    assert (done.stdout.strip(), done.stderr, done.returncode) == (expected, "", 0)


def test_where_the_cores_are_not_idle_there_is_one_thread(monkeypatch):
    """Ours would wait for a core more than they gain."""
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    monkeypatch.setattr(threads, "cores_are_idle", lambda: False)
    names = []
    share(lambda part: names.append(threading.current_thread()), range(50))
    with side_by_side() as both:
        both(lambda: names.append(threading.current_thread()), lambda: names.append(threading.current_thread()))
    in_halves(lambda part, turn: names.append(threading.current_thread()) or names.append(part), 7)
    assert names == [threading.main_thread()] * 53 + [slice(7)]


FIRST = """
import importlib, runpy, sys

class Found(BaseException):
    pass

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("common", "numpy"):
            raise Found(name)

def first(load, *args):
    for name in [name for name in sys.modules if name.startswith("ch0")]:
        del sys.modules[name]
    try:
        load(*args)
    except Found as found:
        return found.args[0]

sys.meta_path.insert(0, Finder())
root, *scripts = sys.argv[1:]
for script in scripts:
    package, name = script.split("/")
    sys.path[0] = root
    as_module = first(importlib.import_module, f"{package}.{name}")
    sys.path[0] = f"{root}/{package}"
    print(script, as_module, first(runpy.run_path, f"{root}/{script}.py"))
"""


def test_scripts_import_common_before_numpy():
    """By whichever of two commands they are started: `python -m ch01.train` and `python ch01/train.py`."""
    found = [path for path in sorted(ROOT.glob("ch0?/*.py")) if "__main__" in path.read_text(encoding="utf-8")]
    scripts = [f"{path.parent.name}/{path.stem}" for path in found]
    assert len(scripts) > 30
    command = [sys.executable, "-c", FIRST, ROOT, *scripts]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{script} common common" for script in scripts]
