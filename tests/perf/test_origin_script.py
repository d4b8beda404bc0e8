"""The parameters of the origin: what is read, what is refused, and that text from outside never raises."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.origin.distribution import Distribution, parse_distribution, parse_number, parse_size
from penstock.perf.origin.faults import (
    ALWAYS,
    FAULTS,
    FirstAttempts,
    Share,
    parse_first_attempts,
    parse_shares,
    parse_word,
)
from penstock.perf.origin.script import PARAMETERS, Script, TokenBucket, make_script, parse_parameters, parse_query


def script_of(query: str) -> Script:
    values, errors = parse_query(query)
    assert errors == []
    return make_script(values)


def test_parameters_compose_into_one_script() -> None:
    script = script_of(
        "bytes=20K&latency=lognormal:0.02,0.5&status=203&encoding=gzip&framing=chunked&chunk=512&limit=50,10"
        "&slots=4&queue=8&scope=global&fault=503:0.02,reset-body:0.01&fail=2:429&retry_after=date:-60"
    )
    assert script.body_bytes == Distribution("fixed", 20 * 1024)
    assert script.latency_s == Distribution("lognormal", 0.02, 0.5)
    assert (script.status, script.encoding, script.framing, script.chunk_bytes) == (203, "gzip", "chunked", 512)
    assert script.limit == TokenBucket(50.0, 10.0)
    assert (script.slots, script.queue_max, script.scope) == (4, 8, "global")
    assert script.fault == (Share("503", 0.02), Share("reset-body", 0.01))
    assert script.fail == (FirstAttempts(2, "429", 1.0),)
    assert script.retry_after == "date:-60"
    assert not script.is_certain
    assert not script.is_plain


def test_an_empty_query_is_the_plain_script() -> None:
    assert script_of("") == Script()
    assert Script().is_certain
    assert Script().is_plain


def test_parameters_of_paths_and_names_with_an_underscore_are_left_alone() -> None:
    assert script_of("id=5&_anything=x&page=2&per_page=10&total=7&url=http%3A%2F%2Fa") == Script()


def test_a_later_layer_replaces_an_earlier_one_field_by_field() -> None:
    first, _ = parse_query("latency=1&status=404")
    second, _ = parse_query("latency=2")
    script = make_script(first, second)
    assert script.latency_s == Distribution("fixed", 2.0)
    assert script.status == 404


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("latncy=1", "latncy: expected one of"),
        ("latency=1&latency=2", "latency: expected once"),
        ("latency=-1", "expected a number >= 0, got '-1'"),
        ("latency=nan", "expected a number >= 0"),
        ("latency=1e9", "at most 3600 seconds"),
        ("latency=uniform:2,1", "LOW <= HIGH"),
        ("latency=normal:1,2", "lognormal:MEDIAN,SIGMA"),
        ("bytes=1X", "expected bytes, as in 1024"),
        ("bytes=1G", "expected at most 256M"),
        ("status=700", "expected an integer from 200 to 599"),
        ("fault=teapot", "expected a status from 400 to 599 or one of ok"),
        ("fault=200", "expected a status from 400 to 599"),
        ("fault=503:0.6,429:0.6", "expected shares that add up to at most 1, got 1.2"),
        ("fault=503:2", "expected a share from 0 to 1"),
        ("fail=503", "expected ATTEMPTS:FAULT"),
        ("fail=0:503", "a number of attempts from 1"),
        ("limit=0", "expected RATE > 0"),
        ("limit=5,0.5", "BURST >= 1"),
        ("retry_after=date:soon", "date:SECONDS"),
        ("retry_after=date:nan", "date:SECONDS"),
        ("header=A%0D%0AB:c", "expected printable ASCII"),
        ("encoding=lzma", "expected one of identity, gzip"),
        ("slots=0", "expected an integer from 1"),
        ("cut=1.5", "expected a number from 0 to 1"),
        ("accept_reset=0.5", "expected in a scenario file only"),
    ],
)
def test_a_mistake_is_told_with_its_name_what_was_expected_and_what_came(query: str, part: str) -> None:
    _, errors = parse_query(query)
    assert len(errors) == 1
    assert errors[0].startswith(query.partition("=")[0] + ":")
    assert part in errors[0]


def test_every_mistake_of_a_query_is_told() -> None:
    _, errors = parse_query("latency=x&status=1&bytes=1")
    assert len(errors) == 2


@given(st.text(max_size=60))
def test_no_query_raises(query: str) -> None:
    values, errors = parse_query(query)
    make_script(values)
    assert all(isinstance(error, str) for error in errors)


@given(st.sampled_from(sorted(PARAMETERS)), st.text(max_size=30))
def test_no_value_of_a_parameter_raises(name: str, text: str) -> None:
    values, errors = parse_parameters([(name, text)])
    assert len(values) + len(errors) == 1
    make_script(values)


@given(st.floats(0, 1e6), st.floats(0, 5))
def test_a_distribution_reads_back_as_it_was_written(median: float, sigma: float) -> None:
    assert parse_distribution(f"lognormal:{median!r},{sigma!r}", parse_number) == Distribution(
        "lognormal", median, sigma
    )


@given(
    st.sampled_from(
        [Distribution("fixed", 3.0), Distribution("uniform", 1.0, 4.0), Distribution("lognormal", 2.0, 0.7)]
    ),
    st.floats(1e-9, 1 - 1e-9),
    st.floats(1e-9, 1 - 1e-9),
)
def test_a_sample_grows_with_its_quantile_and_is_never_negative(
    distribution: Distribution, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert 0 <= distribution.sample(low) <= distribution.sample(high)


def test_the_lognormal_is_told_by_its_median_and_sigma() -> None:
    distribution = Distribution("lognormal", 0.02, 0.5)
    assert distribution.sample(0.5) == pytest.approx(0.02)
    assert distribution.sample(0.8413447460685429) == pytest.approx(0.02 * math.exp(0.5))


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1024", 1024), ("20k", 20480), ("1.5M", 1572864), ("1G", 1 << 30)]
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@given(st.sampled_from([*FAULTS, "404", "503"]), st.integers(1, 1000), st.floats(0, 1))
def test_every_word_is_read_back_in_each_place(word: str, attempts: int, share: float) -> None:
    assert parse_word(word) == word
    assert parse_shares(f"{word}:{share!r}") == (Share(word, share),)
    assert parse_first_attempts(f"{attempts}:{word}:{share!r}") == (FirstAttempts(attempts, word, share),)
    assert parse_first_attempts(f"always:{word}")[0].attempts == ALWAYS


def test_every_parameter_and_fault_stands_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "origin.md").read_text(encoding="utf-8")
    missing = [name for name in [*PARAMETERS, *FAULTS] if f"| `{name}` |" not in guide]
    assert missing == []


def test_every_parameter_names_a_field_of_the_script() -> None:
    assert {parameter.field for parameter in PARAMETERS.values()} <= set(Script.__dataclass_fields__)
