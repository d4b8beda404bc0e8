"""Scenario files: which rules apply, in what order and when; and that every mistake is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.perf.origin.distribution import Distribution
from penstock.perf.origin.plan import make_plan
from penstock.perf.origin.scenario import Scenario, load_scenario, parse_scenario
from penstock.perf.origin.scenarios import demo_addresses, demo_hosts, demo_scenario
from penstock.perf.origin.script import Script, make_script
from penstock.perf.origin.state import OriginState


def script_at(scenario: Scenario, host: str, path: str, query: str = "", now_s: float = 0.0) -> Script:
    state = OriginState(0, scenario, None, 0.0)
    script = state.find_script(state.find_host(host.encode(), "127.0.0.1"), path, query, now_s)
    assert isinstance(script, Script)
    return script


def page_script(scenario: Scenario, host: str) -> Script:
    rules = scenario.rules_for_host(host)
    return make_script(*(rule.values for rule in rules if rule.path is None or rule.path.match("/page/1")))


def test_later_rules_replace_earlier_ones_and_the_query_replaces_both() -> None:
    scenario = parse_scenario(
        {
            "defaults": {"latency": 0.1, "status": 201},
            "rule": [
                {"host": "*.test", "latency": 0.2},
                {"host": "*.test", "path": "/page/*", "latency": "uniform:0.3,0.4", "fault": ["503:0.1", "hang:0.1"]},
            ],
        }
    )
    assert script_at(scenario, "other", "/page/1").latency_s == Distribution("fixed", 0.1)
    assert script_at(scenario, "a.test", "/").latency_s == Distribution("fixed", 0.2)
    script = script_at(scenario, "A.TEST:8080", "/page/1")
    assert (script.latency_s, script.status) == (Distribution("uniform", 0.3, 0.4), 201)
    assert [share.word for share in script.fault] == ["503", "hang"]
    script = script_at(scenario, "a.test", "/page/1", "latency=1")
    assert (script.latency_s, script.status, len(script.fault)) == (Distribution("fixed", 1.0), 201, 2)


def test_a_rule_applies_from_and_until_its_times() -> None:
    scenario = parse_scenario({"rule": [{"from_s": 5, "until_s": 10, "fault": "503"}]})
    is_failing = [bool(script_at(scenario, "a", "/", now_s=now_s).fault) for now_s in (0, 4.9, 5, 9.9, 10)]
    assert is_failing == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ([], "expected a table"),
        ({"rules": []}, "expected one of seed, defaults, rule, got 'rules'"),
        ({"seed": "x"}, "seed: expected an integer"),
        ({"rule": {}}, "rule: expected a list of tables"),
        ({"rule": [5]}, "rule 1: expected a table"),
        ({"rule": [{}, {"latncy": 1}]}, "rule 2: latncy: expected one of"),
        ({"rule": [{"host": 5}]}, "rule 1: host: expected a glob"),
        ({"rule": [{"from_s": 5, "until_s": 5}]}, "rule 1: expected from_s < until_s"),
        ({"rule": [{"from_s": "x"}]}, "rule 1: from_s: expected a number"),
        ({"rule": [{"path": "/a", "accept_reset": 0.5}]}, "expected a rule without path"),
        ({"defaults": {"host": "*"}}, "defaults: host: expected one of"),
    ],
)
def test_a_mistake_is_told_with_its_place(document: object, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(document, "s.toml")
    assert str(caught.value).startswith("s.toml: ")
    assert part in str(caught.value)


def test_all_mistakes_are_told_together() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario({"rule": [{"latency": "x"}, {"status": 1, "bytes": "?"}]})
    assert len(str(caught.value).splitlines()) == 3


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10))


@given(
    st.recursive(
        VALUES,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["rule", "defaults", "seed", "host", "latency", "from_s"]), inner),
        ),
    )
)
def test_any_document_is_a_scenario_or_a_config_error(document: object) -> None:
    try:
        scenario = parse_scenario(document)
    except ConfigError:
        return
    assert isinstance(scenario, Scenario)


def test_toml_and_json_files_say_the_same(tmp_path: Path) -> None:
    toml, json = tmp_path / "s.toml", tmp_path / "s.json"
    toml.write_text('seed = 3\n[[rule]]\nhost = "a*"\nlatency = 0.5\n')
    json.write_text('{"seed": 3, "rule": [{"host": "a*", "latency": 0.5}]}')
    assert load_scenario(toml) == load_scenario(json)
    assert load_scenario(toml).seed == 3


@pytest.mark.parametrize(("name", "data"), [("a.toml", b"x = ="), ("a.json", b"{"), ("b.toml", b"\xff")])
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    with pytest.raises(ConfigError, match="expected a readable file"):
        load_scenario(path)
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=name):
        load_scenario(path)


def test_the_demo_has_twenty_hosts_and_about_five_percent_faults() -> None:
    scenario = parse_scenario(demo_scenario())
    assert len(demo_hosts()) == len(demo_addresses()) == 20
    counts: Counter[str] = Counter()
    for number in range(20_000):
        host = demo_hosts()[number % 20]
        script = page_script(scenario, host)
        counts[make_plan(script, 2026, host, f"/page/{number}", 1).outcome] += 1
    faulty = 20_000 - counts["ok"]
    assert 0.04 < faulty / 20_000 < 0.06
    assert set(counts) == {"ok", "503", "429", "404", "500", "reset-body", "reset-before", "truncate"}


def test_the_demo_knows_each_host_by_name_and_by_address() -> None:
    scenario = parse_scenario(demo_scenario())
    for host, address in zip(demo_hosts(), demo_addresses(), strict=True):
        assert page_script(scenario, host) == page_script(scenario, address)
    medians = [page_script(scenario, host).latency_s for host in demo_hosts()]
    assert medians[0] is not None
    assert medians[-1] is not None
    assert (medians[0].a, medians[-1].a) == (0.005, 0.08)
