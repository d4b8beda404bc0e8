"""What the report makes of an output folder: finished, stopped, killed, running, of another format, or damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from report_kit import VERDICT, slow_sink_windows, stats, write_run, write_series

from penstock.engine.rundir import RunDir
from penstock.errors import ConfigError
from penstock.perf.profile.model import Frame, Profile
from penstock.perf.report.figures import commands, figures, outcome
from penstock.perf.report.markdown import markdown
from penstock.perf.report.page import page
from penstock.perf.report.read import RunReport, read_report

WINDOWS = slow_sink_windows(40)


def troubles(report: RunReport) -> str:
    """Without the sentence on the ledger, which these outputs never have."""
    return " ".join(trouble for trouble in report.troubles if not trouble.startswith("Ledger:"))


def test_a_finished_run_is_told_whole(tmp_path: Path) -> None:
    report = read_report(write_run(tmp_path, stats(WINDOWS)))
    assert report.state == "complete"
    assert troubles(report) == ""
    assert report.accounting.is_right
    assert report.verdict is not None
    assert report.verdict.heading == "The sink"
    assert [group.kind for group in report.failures] == ["http_5xx", "timeout_idle", "dns"]
    assert report.failures[0].examples[0].message == "503 Service Unavailable"
    assert [len(epoch.windows) for epoch in report.epochs] == [40]
    assert outcome(report) == ("warn", "Finished in 40.0 s; 42 items failed.")


def test_a_folder_that_holds_no_run_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected the output folder of a run") as caught:
        read_report(tmp_path)
    assert caught.value.hint


def test_a_killed_run_says_so_and_draws_what_the_series_holds(tmp_path: Path) -> None:
    out = write_run(tmp_path, None, state="running")
    path = write_series(out, WINDOWS)
    path.write_bytes(path.read_bytes()[:-30])
    report = read_report(out)
    assert report.state == "killed"
    assert "killed before it could write its statistics" in troubles(report)
    assert report.verdict is None
    assert len(report.epochs[0].windows) == 39
    tone, sentence = outcome(report)
    assert tone == "bad"
    assert sentence.startswith("Killed after 39.0 s")
    labels = [figure.label for figure in figures(report)]
    assert {"items", "bodies received", "retries", "memory at most"} <= set(labels)
    assert any(command.startswith("penstock fetch urls.csv -o") for _, command in commands(report))


def test_a_run_that_is_still_going_on_is_read_without_its_lock(tmp_path: Path) -> None:
    out = write_run(tmp_path, None, state="running")
    write_series(out, WINDOWS)
    lock = RunDir(out).lock()
    try:
        report = read_report(out)
    finally:
        lock.release()
    assert report.state == "running"
    assert "still going on" in troubles(report)
    assert ("how far it is", f"penstock status {out}") in commands(report)


def test_a_killed_run_is_judged_from_its_series_when_that_says_how_it_was_set(tmp_path: Path) -> None:
    out = write_run(tmp_path, None, state="running")
    shape = {"concurrency": 64, "concurrency_per_host": 16, "process_mode": "inline", "of_the_future": 1}
    path = write_series(out, slow_sink_windows(90))
    header, _, rows = path.read_text("utf-8").partition("\n")
    path.write_text(json.dumps({**json.loads(header), "shape": shape}) + "\n" + rows, encoding="utf-8")
    card = read_report(out).verdict
    assert card is not None
    assert card.label == "sink"
    assert "without probes" in card.note
    assert card.note in page(read_report(out))


@pytest.mark.parametrize("shape", [None, 3, {}, {"concurrency": "64"}, {"concurrency": 64}, {"process_mode": 3}])
def test_a_shape_that_is_none_is_no_verdict(tmp_path: Path, shape: object) -> None:
    out = write_run(tmp_path, None, state="running")
    path = write_series(out, WINDOWS)
    header, _, rows = path.read_text("utf-8").partition("\n")
    path.write_text(json.dumps({**json.loads(header), "shape": shape}) + "\n" + rows, encoding="utf-8")
    assert read_report(out).verdict is None


def test_statistics_of_an_earlier_epoch_are_not_taken_for_the_killed_one(tmp_path: Path) -> None:
    report = read_report(write_run(tmp_path, stats(WINDOWS), state="running"))
    assert report.stats is None
    assert "of an earlier part of the run" in troubles(report)


def test_statistics_older_than_the_last_start_are_left_out(tmp_path: Path) -> None:
    out = write_run(tmp_path, stats(WINDOWS), started="2026-11-22T09:00:00+00:00")
    os.utime(out / "_penstock" / "stats.json", (1_000_000_000, 1_000_000_000))
    assert read_report(out).stats is None


def test_a_stopped_run_says_why_and_how_to_go_on(tmp_path: Path) -> None:
    items = stats(WINDOWS)["items"]
    items |= {"pending": 20, "admitted": items["admitted"] + 20}
    document = stats(WINDOWS, stop_reason="disk full", items=items)
    report = read_report(write_run(tmp_path, document, state="stopped"))
    assert outcome(report)[1] == "Stopped after 40.0 s: disk full with 20 items pending; 42 items failed."
    assert commands(report)[0][0] == "go on where it stopped"


def test_a_repaired_run_says_that_it_is_not_complete_and_how_to_go_on(tmp_path: Path) -> None:
    report = read_report(write_run(tmp_path, stats(WINDOWS), state="incomplete"))
    assert outcome(report)[1].startswith("Not complete any more")
    assert commands(report)[0][0] == "go on where it stopped"


def test_all_epochs_are_drawn_and_the_last_one_from_statistics_when_the_file_lacks_it(tmp_path: Path) -> None:
    out = write_run(tmp_path, stats(WINDOWS), started="2026-11-22T11:00:00+00:00")
    write_series(out, slow_sink_windows(10), slow_sink_windows(12))
    assert [len(epoch.windows) for epoch in read_report(out).epochs] == [10, 12, 40]


def test_an_epoch_that_is_in_the_file_is_not_drawn_twice(tmp_path: Path) -> None:
    out = write_run(tmp_path, stats(WINDOWS), started="2026-11-22T09:00:00+00:00")
    write_series(out, WINDOWS)
    assert [len(epoch.windows) for epoch in read_report(out).epochs] == [40]


# --- missing and damaged parts: a sentence, not a crash


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b'"x"', b"null", b'{"items": '])
def test_damaged_statistics_cost_themselves_only(tmp_path: Path, content: bytes) -> None:
    out = write_run(tmp_path, stats(WINDOWS))
    write_series(out, WINDOWS)
    (out / "_penstock" / "stats.json").write_bytes(content)
    report = read_report(out)
    assert "stats.json: expected" in troubles(report)
    assert len(report.epochs[0].windows) == 40
    assert "Over time" in page(report)
    assert "Over time" in markdown(report)


def test_a_run_of_the_first_format_has_no_verdict_and_no_charts_but_a_report(tmp_path: Path) -> None:
    old = stats(WINDOWS)
    for name in ("series", "shape", "probes", "verdict", "phases", "machine", "settings"):
        del old[name]
    report = read_report(write_run(tmp_path, old))
    assert report.verdict is None
    assert report.epochs == []
    for text in (page(report), markdown(report)):
        assert "No series was kept" in text
        assert "whole attempt" in text, "its percentiles are known"
        assert "host00.example" in text


@pytest.mark.parametrize("name", sorted(stats()))
@pytest.mark.parametrize("value", [None, [], {}, "text", 7, {"x": {"y": []}}, [[1], "a"]], ids=repr)
def test_no_part_of_the_statistics_is_needed_or_trusted(tmp_path: Path, name: str, value: object) -> None:
    report = read_report(write_run(tmp_path, stats(slow_sink_windows(3), **{name: value})))
    assert "<main>" in page(report)
    assert markdown(report).startswith("# Run ")


def test_statistics_without_anything_make_a_report(tmp_path: Path) -> None:
    report = read_report(write_run(tmp_path, {}))
    assert "expected format 1, got None" in troubles(report)
    assert "<main>" in page(report)


def test_a_damaged_run_file_costs_inputs_and_times_only(tmp_path: Path) -> None:
    out = write_run(tmp_path, stats(WINDOWS))
    (out / "_penstock" / "run.json").write_bytes(b"{")
    report = read_report(out)
    assert "run.json" in troubles(report)
    assert report.state == "unknown"
    assert report.verdict is not None


def test_a_series_full_of_damage_is_told_and_the_rest_stays(tmp_path: Path) -> None:
    out = write_run(tmp_path, stats(WINDOWS, series={"end_s": [1, 2], "span_s": [1]}))
    report = read_report(out)
    assert "series in stats.json cannot be read" in troubles(report)
    assert report.verdict is not None


# --- profiles


def profile(kind: Any = "cpu") -> Profile:
    made = Profile(kind, "seconds", title="penstock fetch")
    made.add((Frame("main", "a.py", 1), Frame("work", "a.py", 2)), 3.0)
    return made


def test_profiles_are_found_and_those_that_are_none_are_told(tmp_path: Path) -> None:
    out = write_run(tmp_path, stats(WINDOWS))
    folder = out / "_penstock" / "profiles"
    folder.mkdir()
    (folder / "loop.json").write_text(json.dumps(profile("loop").to_json()), encoding="utf-8")
    (folder / "cpu.json").write_text(json.dumps(profile().to_json()), encoding="utf-8")
    (folder / "cpu.speedscope.json").write_text('{"shared": {}}', encoding="utf-8")
    (folder / "bad.json").write_text('{"format": 1}', encoding="utf-8")
    (folder / "kind.json").write_text(json.dumps(profile().to_json() | {"kind": "<b>"}), encoding="utf-8")
    (folder / "list.json").write_text("[]", encoding="utf-8")
    report = read_report(out)
    assert [name for name, _ in report.profiles] == ["cpu.json", "loop.json"]
    for name in ("bad.json", "kind.json", "list.json"):
        assert f"{name}: expected a profile" in troubles(report)
    assert "speedscope" not in troubles(report)


# --- the verdict


def test_an_unsure_verdict_is_not_told_as_a_certain_one(tmp_path: Path) -> None:
    document = stats(WINDOWS, verdict=VERDICT | {"confidence": 0.55, "alternatives": [["sink", 0.5], ["cpu", 0.4]]})
    card = read_report(write_run(tmp_path, document)).verdict
    assert card is not None
    assert card.certainty == "not sure"
    assert card.alternatives == (("The process function", 0.4),)
    assert card.line.startswith("The sink? (not sure, 55 %)")


@pytest.mark.parametrize(("confidence", "word"), [(1.0, "sure"), (0.9, "sure"), (0.89, "likely"), (None, "not sure")])
def test_the_word_for_a_confidence(tmp_path: Path, confidence: float | None, word: str) -> None:
    card = read_report(write_run(tmp_path, stats(WINDOWS, verdict=VERDICT | {"confidence": confidence}))).verdict
    assert card is not None
    assert card.certainty == word


def test_a_label_of_the_future_is_shown_as_it_is(tmp_path: Path) -> None:
    card = read_report(write_run(tmp_path, stats(WINDOWS, verdict={"label": "quantum_noise"}))).verdict
    assert card is not None
    assert card.heading == "quantum_noise"


def test_every_label_the_verdict_knows_has_words_here() -> None:
    from typing import get_args

    from penstock.perf.report.verdict import verdict_card
    from penstock.telemetry.verdict_rules import Label

    cards = {label: verdict_card({"label": label}) for label in get_args(Label)}
    assert len(cards) == 13
    for label, card in cards.items():
        assert card is not None
        assert card.heading != label, label
        assert card.meaning
