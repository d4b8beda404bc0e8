"""The measured process from its parent's side: good runs, and everything that users' code does to one."""

from __future__ import annotations

from pathlib import Path

import pytest
from measured_kit import WORKLOAD, calls, wait_until_ended, workload_of, write_functions

from penstock.perf.measure.model import AlternativeError, RunRequest
from penstock.perf.measure.process import MeasuredProcess
from penstock.perf.workload.model import Alternative, Strategy

pytestmark = pytest.mark.slow

BLOCKING: tuple[Strategy, ...] = ("sync", "threads", "processes")
ALL_ONCE = RunRequest(items=3, concurrency=2)


@pytest.mark.parametrize("strategy", BLOCKING)
def test_every_item_is_done_once_and_its_output_has_a_digest(tmp_path: Path, strategy: Strategy) -> None:
    with MeasuredProcess(calls(tmp_path, "echo", strategy), WORKLOAD) as measured:
        result = measured.run(RunRequest(items=7, concurrency=2, first=2))
    assert result.items == 7
    assert result.failed == 0
    assert dict(result.samples) == {0: "'a'", 1: "'b'", 2: "'c'"}
    assert len(set(result.digests.values())) == 3


@pytest.mark.parametrize("strategy", BLOCKING)
def test_one_process_serves_many_runs(tmp_path: Path, strategy: Strategy) -> None:
    with MeasuredProcess(calls(tmp_path, "process_id", strategy), WORKLOAD) as measured:
        outputs = {text for _ in range(3) for text in measured.run(ALL_ONCE).samples.values()}
        own = {str(measured.pid)} if strategy != "processes" else {str(pid) for pid in measured.worker_ids}
    assert outputs <= own


@pytest.mark.parametrize("strategy", BLOCKING)
def test_what_user_code_prints_does_not_disturb_the_protocol(tmp_path: Path, strategy: Strategy) -> None:
    with MeasuredProcess(calls(tmp_path, "prints", strategy), WORKLOAD) as measured:
        assert measured.run(ALL_ONCE).items == 3


def test_a_flood_of_output_neither_blocks_nor_stays_on_the_disk(tmp_path: Path) -> None:
    with MeasuredProcess(calls(tmp_path, "floods"), WORKLOAD) as measured:
        assert measured.run(RunRequest(items=40)).items == 40


def test_user_code_that_reads_standard_input_finds_it_empty(tmp_path: Path) -> None:
    with MeasuredProcess(calls(tmp_path, "reads"), WORKLOAD) as measured:
        assert set(measured.run(ALL_ONCE).samples.values()) == {"''"}


@pytest.mark.parametrize("strategy", BLOCKING)
def test_an_item_whose_function_raises_is_lost_with_type_text_and_place(tmp_path: Path, strategy: Strategy) -> None:
    with MeasuredProcess(calls(tmp_path, "raises", strategy), workload_of("a", "bad", "c")) as measured:
        result = measured.run(ALL_ONCE)
    assert result.items == 2
    assert result.failed == 1
    ((number, message),) = result.failures
    assert number == 1
    assert message.startswith("ValueError: no luck with bad (")
    assert f"{tmp_path / 'theirs.py'}:" in message
    assert "\n" not in message


@pytest.mark.parametrize("strategy", BLOCKING)
def test_sys_exit_in_an_item_costs_that_item(tmp_path: Path, strategy: Strategy) -> None:
    with MeasuredProcess(calls(tmp_path, "exits", strategy), WORKLOAD) as measured:
        result = measured.run(ALL_ONCE)
    assert (result.items, result.failed) == (0, 3)
    assert result.failures[0][1].startswith("SystemExit: 3 (")


def test_an_exception_that_says_429_counts_as_pushback(tmp_path: Path) -> None:
    with MeasuredProcess(calls(tmp_path, "slow_down"), WORKLOAD) as measured:
        assert measured.run(ALL_ONCE).pushbacks == 3


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("import no_such_package_at_all", "no_such_package_at_all"),
        ("raise SystemExit('not today')", "not today"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def f(item:\n", "SyntaxError"),
        ("def g(item): pass", "'f'"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(tmp_path: Path, code: str, part: str) -> None:
    path = write_functions(tmp_path, code)
    measured = MeasuredProcess(Alternative("mine", "sync", function=f"{path}:f"), WORKLOAD)
    with pytest.raises(AlternativeError) as caught:
        measured.start()
    assert caught.value.trouble == "start"
    assert str(caught.value).startswith("mine: ")
    assert part in str(caught.value)


def test_an_async_function_is_refused_by_a_strategy_that_blocks(tmp_path: Path) -> None:
    with pytest.raises(AlternativeError, match="got an async one") as caught:
        MeasuredProcess(calls(tmp_path, "answers"), WORKLOAD).start()
    assert caught.value.hint is not None


def test_a_module_that_never_imports_is_given_up(tmp_path: Path) -> None:
    path = write_functions(
        tmp_path, "import time\nprint('waiting for Godot', flush=True)\nwhile True: time.sleep(60)\n"
    )
    measured = MeasuredProcess(Alternative("mine", "sync", function=f"{path}:f"), WORKLOAD, start_s_max=2.0)
    with pytest.raises(AlternativeError, match="ready within 2 s") as caught:
        measured.start()
    assert caught.value.trouble == "start"
    assert f"it is at {path}:3, in <module>" in str(caught.value)
    assert "waiting for Godot" in str(caught.value)
    wait_until_ended([measured.pid])


def test_a_module_that_ends_the_process_is_told_with_its_exit_code(tmp_path: Path) -> None:
    path = write_functions(tmp_path, "import os, sys\nsys.stderr.write('goodbye')\nsys.stderr.flush()\nos._exit(9)\n")
    with pytest.raises(AlternativeError, match="exit code 9 before it was ready") as caught:
        MeasuredProcess(Alternative("mine", "sync", function=f"{path}:f"), WORKLOAD).start()
    assert caught.value.trouble == "died"
    assert "goodbye" in str(caught.value)


@pytest.mark.parametrize("strategy", ["sync", "threads"])
def test_a_process_that_dies_in_a_run_is_told_with_its_last_words(tmp_path: Path, strategy: Strategy) -> None:
    with MeasuredProcess(calls(tmp_path, "dies", strategy), WORKLOAD) as measured:
        with pytest.raises(AlternativeError, match="exit code 7 during a run") as caught:
            measured.run(ALL_ONCE)
        assert caught.value.trouble == "died"
        assert "about to go" in str(caught.value)
        with pytest.raises(AlternativeError, match="has ended before"):
            measured.run(ALL_ONCE)


def test_a_process_that_is_killed_is_told_with_the_signal(tmp_path: Path) -> None:
    with (
        MeasuredProcess(calls(tmp_path, "kills"), WORKLOAD) as measured,
        pytest.raises(AlternativeError, match="killed by SIGKILL"),
    ):
        measured.run(ALL_ONCE)


@pytest.mark.parametrize("strategy", ["sync", "threads", "processes"])
def test_a_crash_in_native_code_is_told_with_the_line_that_led_to_it(tmp_path: Path, strategy: Strategy) -> None:
    path = write_functions(tmp_path, "import ctypes\ndef f(item):\n    return ctypes.string_at(0)\n")
    with (
        MeasuredProcess(Alternative("mine", strategy, function=f"{path}:f"), WORKLOAD) as measured,
        pytest.raises(AlternativeError, match="killed by SIGSEGV") as caught,
    ):
        measured.run(RunRequest(items=1))  # two that crash at once would write over each other
    assert f'File "{path}", line 3 in f' in str(caught.value)


@pytest.mark.parametrize("function", ["dies", "kills"])
def test_a_pool_worker_that_dies_ends_the_run_and_all_processes(tmp_path: Path, function: str) -> None:
    with MeasuredProcess(calls(tmp_path, function, "processes"), WORKLOAD) as measured:
        pids = [measured.pid, *measured.worker_ids]
        with pytest.raises(AlternativeError, match="worker process of the pool") as caught:
            measured.run(ALL_ONCE)
        assert caught.value.trouble == "died"
        assert ("exit code 7" if function == "dies" else "SIGKILL") in str(caught.value)
        wait_until_ended(pids)


def test_a_pool_whose_workers_die_at_import_is_told(tmp_path: Path) -> None:
    code = "import multiprocessing, os\nif multiprocessing.parent_process(): os._exit(5)\ndef f(item): return item\n"
    path = write_functions(tmp_path, code)
    with pytest.raises(AlternativeError, match="exit code 5 at its start"):
        MeasuredProcess(Alternative("mine", "processes", function=f"{path}:f"), WORKLOAD).start()


def test_a_module_that_imports_in_the_process_but_not_in_its_workers_says_so(tmp_path: Path) -> None:
    code = (
        "import multiprocessing\nif multiprocessing.parent_process(): raise OSError('not here')\ndef f(i): return i\n"
    )
    path = write_functions(tmp_path, code)
    with pytest.raises(AlternativeError, match="OSError: not here") as caught:
        MeasuredProcess(Alternative("mine", "processes", function=f"{path}:f"), WORKLOAD).start()
    assert caught.value.trouble == "start"


@pytest.mark.parametrize("strategy", BLOCKING)
def test_an_item_that_never_ends_is_given_up_and_all_processes_end(tmp_path: Path, strategy: Strategy) -> None:
    workload = workload_of("a", "b", "bad", item_s_max=0.3)
    with MeasuredProcess(calls(tmp_path, "stuck_at_bad", strategy), workload, grace_s=0.7) as measured:
        pids = [measured.pid, *measured.worker_ids]
        with pytest.raises(AlternativeError, match="2 items had ended") as caught:
            measured.run(RunRequest(items=3, concurrency=2, run_s=0.01))
        assert caught.value.trouble == "timeout"
        if strategy != "processes":  # whose items are elsewhere
            assert f"it is at {tmp_path / 'theirs.py'}:" in str(caught.value)
        wait_until_ended(pids)


def test_code_that_keeps_the_interpreter_to_itself_is_given_up_with_its_line(tmp_path: Path) -> None:
    """A regular expression that backtracks for ages holds the GIL: the process cannot even say how far it is."""
    code = "import re\ndef f(item):\n    return re.match('(a*)*b', 'a' * 60)\n"
    path = write_functions(tmp_path, code)
    alternative = Alternative("mine", "sync", function=f"{path}:f")
    with (
        MeasuredProcess(alternative, workload_of("a", item_s_max=0.2), grace_s=0.2) as measured,
        pytest.raises(AlternativeError, match="it does not answer") as caught,
    ):
        measured.run(RunRequest(items=1))
    assert caught.value.trouble == "timeout"
    assert f'File "{path}", line 3 in f' in str(caught.value)


def test_a_list_of_items_may_take_longer_than_one_item(tmp_path: Path) -> None:
    """Each 20 ms, the limit for one is 50 ms plus a grace of 50 ms, all together 400 ms."""
    workload = workload_of(*(str(number) for number in range(20)), item_s_max=0.2)
    with MeasuredProcess(calls(tmp_path, "sleeps"), workload, grace_s=0.05) as measured:
        assert measured.run(RunRequest(items=20, run_s=0.01)).items == 20


def test_an_item_past_the_limit_fails_even_if_it_ends(tmp_path: Path) -> None:
    with (
        MeasuredProcess(calls(tmp_path, "sleeps"), workload_of("a", item_s_max=0.01)) as measured,
        pytest.raises(AlternativeError, match=r"within 0\.01 s, got one that took") as caught,
    ):
        measured.run(RunRequest(items=1))
    assert caught.value.trouble == "timeout"


def test_an_output_that_cannot_be_compared_is_an_error_of_the_alternative(tmp_path: Path) -> None:
    with MeasuredProcess(calls(tmp_path, "makes_function", "threads"), WORKLOAD) as measured:
        with pytest.raises(AlternativeError, match="expected a value that can be compared") as caught:
            measured.run(ALL_ONCE)
        assert caught.value.trouble == "raised"
        assert measured.run(RunRequest(items=3, concurrency=2, is_checked=False)).items == 3


def test_an_output_that_a_worker_cannot_hand_back_costs_its_item(tmp_path: Path) -> None:
    with MeasuredProcess(calls(tmp_path, "makes_function", "processes"), WORKLOAD) as measured:
        result = measured.run(ALL_ONCE)
    assert (result.items, result.failed) == (0, 3)
    assert "cannot be handed back" in result.failures[0][1]


@pytest.mark.parametrize("strategy", BLOCKING)
def test_stopping_leaves_no_process(tmp_path: Path, strategy: Strategy) -> None:
    measured = MeasuredProcess(calls(tmp_path, "echo", strategy), WORKLOAD)
    measured.start()
    pids = [measured.pid, *measured.worker_ids]
    assert len(pids) == (3 if strategy == "processes" else 1)
    measured.stop()
    measured.stop()
    wait_until_ended(pids)


def test_threads_that_user_code_leaves_behind_do_not_keep_the_process(tmp_path: Path) -> None:
    code = "import threading\nthreading.Thread(target=threading.Event().wait).start()\ndef f(item): return item\n"
    path = write_functions(tmp_path, code)
    with MeasuredProcess(Alternative("mine", "sync", function=f"{path}:f"), WORKLOAD) as measured:
        pid = measured.pid
        assert measured.run(ALL_ONCE).items == 3
    wait_until_ended([pid])


def test_processes_that_user_code_leaves_behind_end_with_it(tmp_path: Path) -> None:
    code = "import subprocess\nleft = subprocess.Popen(['sleep', '600'])\ndef f(item): return left.pid\n"
    path = write_functions(tmp_path, code)
    with MeasuredProcess(Alternative("mine", "sync", function=f"{path}:f"), WORKLOAD) as measured:
        pid = int(measured.run(ALL_ONCE).samples[0])
    wait_until_ended([pid])


def test_an_exception_between_two_runs_ends_the_process(tmp_path: Path) -> None:
    measured = MeasuredProcess(calls(tmp_path, "echo", "processes"), WORKLOAD)
    measured.__enter__()
    pids = [measured.pid, *measured.worker_ids]
    measured.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    wait_until_ended(pids)


def test_a_module_is_found_where_the_parent_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_functions(tmp_path, name="their_own_module.py")
    monkeypatch.syspath_prepend(tmp_path)
    with MeasuredProcess(Alternative("mine", "processes", function="their_own_module:echo"), WORKLOAD) as measured:
        assert measured.run(ALL_ONCE).items == 3
