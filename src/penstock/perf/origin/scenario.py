"""Scenario files: rules that say, by virtual host, path and time, what the origin does; the parameters of a query.

TOML or JSON. Pure but for `load_scenario`, which reads one file. Every matching rule applies, in the order of the file;
a later one replaces an earlier one parameter by parameter, and the query of a request replaces both.
"""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError
from penstock.perf.origin.distribution import parse_number
from penstock.perf.origin.script import Values, parse_parameters

_RULE_KEYS = ("host", "path", "from_s", "until_s")
_TOP_KEYS = ("seed", "defaults", "rule")
_HINT = "docs/guides/origin.md lists every parameter"


@dataclass(frozen=True, slots=True)
class Rule:
    """`values` apply to hosts and paths (without query) that match, `from_s` <= seconds since the start < `until_s`.

    None stands for every host or every path. Globs are those of `fnmatch`: `*` also crosses a slash.
    """

    host: re.Pattern[str] | None
    path: re.Pattern[str] | None
    from_s: float
    until_s: float
    values: Values


@dataclass(frozen=True, slots=True)
class Scenario:
    """Rules in their order, and the seed the file asks for, if any."""

    rules: tuple[Rule, ...] = ()
    seed: int | None = None

    def rules_for_host(self, host: str) -> tuple[Rule, ...]:
        """The rules whose host glob matches, in order; `host` is in lower case and without a port."""
        return tuple(rule for rule in self.rules if rule.host is None or rule.host.match(host))


def load_scenario(path: Path) -> Scenario:
    """Read a `.toml` or `.json` file. Raises ConfigError: unreadable, not TOML or JSON, or with mistakes, all told."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"scenario: expected a readable file, got {path}: {reason}", hint=_HINT) from error
    try:
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise ConfigError(f"scenario: expected {kind} in {path}, got: {error}", hint=_HINT) from error
    return parse_scenario(document, str(path))


def parse_scenario(document: object, where: str = "scenario") -> Scenario:
    """The scenario of a parsed file, `{seed?, defaults?, rule?: [...]}`. Raises ConfigError that tells all mistakes."""
    if not isinstance(document, Mapping):
        raise ConfigError(f"{where}: expected a table with {', '.join(_TOP_KEYS)}, got {type(document).__name__}")
    errors = [f"expected one of {', '.join(_TOP_KEYS)}, got {key!r}" for key in document if key not in _TOP_KEYS]
    seed = document.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        errors.append(f"seed: expected an integer, got {seed!r}")
        seed = None
    tables = [("defaults", document["defaults"])] if "defaults" in document else []
    listed = document.get("rule", [])
    if isinstance(listed, list | tuple):
        tables += [(f"rule {number}", table) for number, table in enumerate(listed, 1)]
    else:
        errors.append(f"rule: expected a list of tables ([[rule]]), got {type(listed).__name__}")
    rules = [_parse_rule(name, table, errors) for name, table in tables]
    if errors:
        raise ConfigError("\n".join(f"{where}: {error}" for error in errors), hint=_HINT)
    return Scenario(tuple(rules), seed)


def _parse_rule(name: str, table: object, errors: list[str]) -> Rule:
    if not isinstance(table, Mapping):
        errors.append(f"{name}: expected a table, got {type(table).__name__}")
        return Rule(None, None, 0.0, float("inf"), {})
    keys = _RULE_KEYS if name != "defaults" else ()
    times = {}
    for key, default in (("from_s", 0.0), ("until_s", float("inf"))):
        try:
            times[key] = parse_number(_as_text(table[key])) if key in table and keys else default
        except ValueError as error:
            errors.append(f"{name}: {key}: {error}")
            times[key] = default
    if times["from_s"] >= times["until_s"]:
        errors.append(f"{name}: expected from_s < until_s, got {times['from_s']:g} and {times['until_s']:g}")
    globs = {key: table.get(key, "*") if keys else "*" for key in ("host", "path")}
    for key, glob in globs.items():
        if not isinstance(glob, str) or not glob:
            errors.append(f"{name}: {key}: expected a glob, as in *.test, got {glob!r}")
            globs[key] = "*"
    pairs = [(str(key), _as_text(value)) for key, value in table.items() if key not in keys]
    values, mistakes = parse_parameters(pairs)
    errors.extend(f"{name}: {mistake}" for mistake in mistakes)
    if "accept_reset" in values and globs["path"] != "*":
        errors.append(f"{name}: accept_reset: expected a rule without path, because a connection has none yet")
    return Rule(
        _compile_glob(globs["host"].lower()), _compile_glob(globs["path"]), times["from_s"], times["until_s"], values
    )


def _compile_glob(glob: str) -> re.Pattern[str] | None:
    return None if glob == "*" else re.compile(fnmatch.translate(glob))


def _as_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_as_text(element) for element in value)
    return str(value)
