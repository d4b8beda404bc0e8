"""Which alternatives there are: strategies with clients for fetches, strategies with functions for the user's code.

It imports the user's modules to see what their functions are, and calls none. The rule: a pair that cannot work is
refused by name, never left out in silence, and every alternative has a name of its own.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, get_args

from penstock.errors import ConfigError
from penstock.perf.workload.model import Alternative, Client, Strategy
from penstock.perf.workload.work import kind_of, user_function
from penstock.process.portable import portable

_T = TypeVar("_T", bound=str)

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
CLIENTS: tuple[Client, ...] = get_args(Client)
BLOCKING: tuple[Strategy, ...] = ("sync", "threads", "processes")
ON_A_LOOP: tuple[Strategy, ...] = ("asyncio", "uvloop", "penstock")

_FORMS: Mapping[Client, tuple[Strategy, ...]] = MappingProxyType(
    {
        "curl": STRATEGIES,
        "aiohttp": ("asyncio", "uvloop"),
        "httpx": ("sync", "threads", "processes", "asyncio", "uvloop"),
        "requests": ("sync", "threads", "processes"),
    }
)
_KINDS: Mapping[str, str] = MappingProxyType({"async": "an async def function", "sync": "a plain function"})


def fetch_alternatives(strategies: Sequence[str] = (), clients: Sequence[str] = ()) -> tuple[Alternative, ...]:
    """The strategies (none given: all six; uvloop where it is installed) on libcurl, then each of `clients` beside it
    under those of the strategies that it has a form for: aiohttp asyncio and uvloop, requests sync, threads and
    processes, httpx all of these; `penstock` has libcurl only.

    A strategy given twice makes two alternatives, so that one can be compared with itself. Raises ConfigError for an
    unknown word, a client or uvloop that is asked for but not installed, and a client that fits none of the strategies.
    """
    chosen = _strategies(strategies)
    found = [Alternative(strategy, strategy) for strategy in chosen]
    for client in dict.fromkeys(_word(client, CLIENTS, "client") for client in clients):
        if client == "curl":
            continue  # it is there already
        fitting = [strategy for strategy in chosen if strategy in _FORMS[client]]
        if not fitting:
            raise ConfigError(
                f"--client {client}: expected one of the strategies {', '.join(_FORMS[client])}, "
                f"got {', '.join(dict.fromkeys(chosen))}",
                hint=f"--strategy {_FORMS[client][-1]}",
            )
        if importlib.util.find_spec(client) is None:
            raise ConfigError(
                f"--client {client}: expected the library {client}, which is not installed",
                hint=f"pip install {client}",
            )
        found.extend(Alternative(f"{strategy} + {client}", strategy, client) for strategy in fitting)
    return _unique(found)


def code_alternatives(
    references: Sequence[str | Callable[..., object]], strategies: Sequence[str] | None = None
) -> tuple[Alternative, ...]:
    """Each function under each strategy of its kind: `def` under sync, threads and processes, `async def` under
    asyncio, uvloop and penstock; of these only `strategies` when some are given.

    A reference is `module:function` or `file.py:function`; a function object is turned into one. Names are the
    function's and the strategy's, `fetch_sync · threads`, with the module where two functions have one name, and with
    ` (2)` for the second of the same. Raises ConfigError for what cannot be loaded, is no function of one argument, is
    a generator, a class, a lambda or local function given as an object, and for a strategy that fits none of the
    functions or a function that fits none of the strategies.
    """
    if not references:
        raise ConfigError("functions to compare: expected at least one, got none", hint="mypackage.pages:fetch_sync")
    chosen = _strategies(strategies or ())
    names = [reference if isinstance(reference, str) else reference_of(reference) for reference in references]
    kinds = {name: kind_of(user_function(name)) for name in names}
    shown = _labels(names)
    found: list[Alternative] = []
    for name in names:
        fits = ON_A_LOOP if kinds[name] == "async" else BLOCKING
        fitting = [strategy for strategy in chosen if strategy in fits]
        if not fitting:
            raise ConfigError(
                f"{name}: expected one of the strategies {', '.join(fits)}, because it is {_KINDS[kinds[name]]}, "
                f"got {', '.join(strategies or ())}",
                hint="give functions of both kinds, or leave out the strategies",
            )
        found.extend(Alternative(f"{shown[name]} · {strategy}", strategy, function=name) for strategy in fitting)
    unused = [
        strategy for strategy in dict.fromkeys(strategies or ()) if all(one.strategy != strategy for one in found)
    ]
    if unused:
        needed = _KINDS["async" if unused[0] in ON_A_LOOP else "sync"]
        raise ConfigError(
            f"--strategy {unused[0]}: expected {needed} to run under it, got only {', '.join(shown.values())}",
            hint=f"name {needed} too, or leave out --strategy {unused[0]}",
        )
    return _unique(found)


def reference_of(function: Callable[..., object]) -> str:
    """The reference by which another process finds `function`. Raises ConfigError where there is none, as for lambdas
    and functions inside others."""
    sent = portable(function)
    called = getattr(function, "__qualname__", type(function).__qualname__)
    if isinstance(sent, str) or sent.reference is None:
        reason = sent if isinstance(sent, str) else f"it is {type(function).__qualname__}, an object without a name"
        raise ConfigError(
            f"function to compare: expected one that another process can import, got {called}: {reason}",
            hint="write it with def at the top of a module, and give it or 'module:function'",
        )
    return sent.reference


def _strategies(words: Sequence[str]) -> list[Strategy]:
    has_uvloop = importlib.util.find_spec("uvloop") is not None
    if not words:
        return [strategy for strategy in STRATEGIES if has_uvloop or strategy != "uvloop"]
    chosen = [_word(word, STRATEGIES, "strategy") for word in words]
    if "uvloop" in chosen and not has_uvloop:
        raise ConfigError(
            "--strategy uvloop: expected the library uvloop, which is not installed",
            hint="pip install uvloop (not on Windows)",
        )
    return chosen


def _word(word: str, known: tuple[_T, ...], what: str) -> _T:
    for one in known:
        if one == word:
            return one
    near = difflib.get_close_matches(word, known, n=1)
    raise ConfigError(
        f"{what}: expected one of {', '.join(known)}, got {word!r}", hint=f"did you mean {near[0]}?" if near else None
    )


def _labels(references: Iterable[str]) -> dict[str, str]:
    """The shortest of function, module.function and the reference itself that tells each reference from the others."""
    forms = {reference: _forms(reference) for reference in references}
    labels: dict[str, str] = {}
    for reference, own in forms.items():
        labels[reference] = next(
            (
                form
                for place, form in enumerate(own)
                if all(other[place] != form for name, other in forms.items() if name != reference)
            ),
            reference,
        )
    return labels


def _forms(reference: str) -> tuple[str, str]:
    module, _, function = reference.rpartition(":")
    stem = Path(module).stem if module.endswith(".py") else module
    return function, f"{stem}.{function}"


def _unique(alternatives: Sequence[Alternative]) -> tuple[Alternative, ...]:
    seen: Counter[str] = Counter()
    found = []
    for one in alternatives:
        seen[one.name] += 1
        name = one.name if seen[one.name] == 1 else f"{one.name} ({seen[one.name]})"
        found.append(Alternative(name, one.strategy, one.client, one.function))
    return tuple(found)
