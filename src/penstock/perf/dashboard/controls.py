"""What a page may ask of the run: pause, resume, drain, another concurrency. Reads the request, hands it to the run.

The commands are carried out on the run's own event loop, in order. The rule: a request that is not understood whole
changes nothing, and whoever asks is told what became of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, assert_never, get_args

from penstock.errors import ConfigError
from penstock.perf.dashboard.security import Refusal
from penstock.policy.rate import Gcra, Rate

BODY_BYTES_MAX = 1_024
CONCURRENCY_MAX = 10_000
ANSWER_S_MAX = 2.0
_RATE = Rate(per_s=5, burst=10)

Action: TypeAlias = Literal["pause", "resume", "drain", "concurrency"]
ACTIONS: tuple[Action, ...] = get_args(Action)


class Controls(Protocol):
    """The handles of a run (a Pipeline has them). All are called on the run's event loop and return at once."""

    @property
    def is_paused(self) -> bool: ...

    def pause(self) -> None:
        """Start nothing new; what is in flight goes on."""
        ...

    def resume(self) -> None: ...

    def request_drain(self) -> None:
        """Finish what is in flight, commit, end: resumable."""
        ...

    def set_concurrency(self, concurrency: int) -> int:
        """Another limit of attempts in flight; returns what it is now."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """One request. `concurrency` belongs to the action of that name, 1 to 10,000."""

    action: Action
    concurrency: int = 0


def read_command(content_type: str, body: bytes) -> Command | Refusal:
    """Read `{"action": "pause"}` or `{"action": "concurrency", "value": 32}`; all else is refused, saying why."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return Refusal(415, f"expected Content-Type application/json, got {content_type[:100]!r}", _HINT)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(400, "expected a JSON object, got something else", _HINT)
    if not isinstance(document, dict):
        return Refusal(400, f"expected a JSON object, got {type(document).__name__}", _HINT)
    action, value = document.get("action"), document.get("value")
    if action not in ACTIONS:
        return Refusal(400, f"expected an action of {', '.join(ACTIONS)}, got {str(action)[:100]!r}", _HINT)
    unknown = sorted(set(document) - ({"action", "value"} if action == "concurrency" else {"action"}))
    if unknown:
        return Refusal(400, f"expected nothing else beside the action, got {', '.join(unknown)[:200]}", _HINT)
    if action != "concurrency":
        return Command(action)
    if type(value) is not int or not 1 <= value <= CONCURRENCY_MAX:
        return Refusal(400, f"value: expected a whole number from 1 to {CONCURRENCY_MAX}, got {value!r}"[:300], _HINT)
    return Command("concurrency", value)


_HINT = """POST {"action": "pause"}, or resume, or drain, or {"action": "concurrency", "value": 32}"""


class Steering:
    """Carries commands from the server's loop to the run's. `attach` it once the run has a loop."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """`now_s`: monotonic seconds."""
        self._now_s = now_s
        self._rate = Gcra(_RATE)
        self._run: tuple[Controls, asyncio.AbstractEventLoop] | None = None

    def attach(self, controls: Controls, loop: asyncio.AbstractEventLoop) -> None:
        self._run = (controls, loop)

    def detach(self) -> None:
        """The run is over: refuse from now on."""
        self._run = None

    def refuse_too_many(self) -> Refusal | None:
        """Count one call; refuse it when there are more than 5 a second."""
        now_s = self._now_s()
        if now_s < self._rate.earliest_s():
            return Refusal(429, "expected at most 5 commands a second, got more", "wait a second")
        self._rate.take(now_s)
        return None

    async def carry_out(self, command: Command) -> dict[str, object] | Refusal:
        """Wait up to 2 s for the run to obey. `is_done` false: its loop is blocked; it will obey once it turns."""
        run = self._run
        ended = Refusal(409, "expected a running run, got one that has not begun or has ended", "look at its summary")
        if run is None:
            return ended
        controls, loop = run
        done: Future[dict[str, object] | Refusal] = Future()
        try:
            loop.call_soon_threadsafe(_obey, controls, command, done)
        except RuntimeError:  # the loop is closed
            return ended
        answered, _ = await asyncio.wait([asyncio.wrap_future(done)], timeout=ANSWER_S_MAX)
        return answered.pop().result() if answered else {"action": command.action, "is_done": False}


def _obey(controls: Controls, command: Command, done: Future[dict[str, object] | Refusal]) -> None:
    """On the run's loop. What goes wrong is told to the page, it does not harm the run."""
    answer: dict[str, object] = {"action": command.action, "is_done": True}
    try:
        match command.action:
            case "pause":
                controls.pause()
            case "resume":
                controls.resume()
            case "drain":
                controls.request_drain()
            case "concurrency":
                answer["concurrency"] = controls.set_concurrency(command.concurrency)
            case _:
                assert_never(command.action)
        answer["is_paused"] = controls.is_paused
    except ConfigError as error:
        done.set_result(Refusal(409, str(error), error.hint or "look at the run's settings"))
    except Exception as error:  # noqa: BLE001 - raised again on the server's side, where it is answered with 500
        done.set_exception(error)
    else:
        done.set_result(answer)
