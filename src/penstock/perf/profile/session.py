"""`with profile("await") as p:` records a part of a program. Starts and stops recorders; samples and draws nothing.

The rule: whatever happens inside, what was recorded is there afterwards, and nothing keeps on recording.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import get_args

from penstock.errors import ConfigError
from penstock.perf.profile.model import Kind, Profile
from penstock.perf.profile.recorder import Recorder, RecorderOptions, make_recorder

_KINDS: tuple[Kind, ...] = get_args(Kind)
# What disturbs the others most starts first and stops last, so that starting it is in nobody's profile.
_ORDER: tuple[Kind, ...] = ("memory", "loop", "await", "cpu")


def profile(
    *kinds: Kind,
    title: str = "",
    interval_s: float | None = None,
    threshold_s: float = 0.05,
    seed: int = 0,
) -> Profiling:
    """A context manager, for `with` and `async with`, that records one or several kinds (cpu, await, memory, loop).

    `interval_s`: time between looks, None for each kind's own; `threshold_s`: the shortest block that `loop` tells of;
    `seed`: for which tasks `await` looks at. Enter it in the main thread, around `asyncio.run()` or inside a coroutine.
    Raises ConfigError for a kind that is unknown or named twice, and on entering CannotProfile (a ConfigError) where a
    kind cannot be recorded; then none of them is. `memory` slows a program down so much that the others' times mean
    little beside it.

        with profile("await", "loop") as p:
            asyncio.run(main())
        p.write("profiles")
        print("\\n".join(p.top()))
    """
    options = RecorderOptions(interval_s=interval_s, threshold_s=threshold_s, title=title, seed=seed)
    return Profiling(kinds or ("cpu",), options)


class Profiling:
    """One recording of one or more kinds, for one use. `profiles` is filled when the block ends, however it does."""

    def __init__(self, kinds: tuple[Kind, ...], options: RecorderOptions) -> None:
        unknown = [kind for kind in kinds if kind not in _KINDS]
        if unknown or len(set(kinds)) != len(kinds) or not kinds:
            raise ConfigError(
                f"profile: expected some of {', '.join(_KINDS)}, each once, got {', '.join(map(repr, kinds))}",
                hint='with profile("await") as p: …',
            )
        self.kinds = kinds
        self.profiles: dict[Kind, Profile] = {}
        self._options = options
        self._recorders: list[tuple[Kind, Recorder]] = []
        self._was_entered = False

    @property
    def profile(self) -> Profile:
        """The profile, or the first kind's of several. Raises RuntimeError inside the block."""
        return self._finished()[0]

    def write(self, folder: str | Path) -> list[Path]:
        """Write each kind's files (KIND.html, .svg, .folded, .speedscope.json, .json) to `folder`, which is made if
        needed. Raises OSError when the disk does not take them."""
        from penstock.perf.profile.draw.output import write_profile

        return [path for found in self._finished() for path in write_profile(found, Path(folder))]

    def top(self, limit: int = 10, width: int = 100) -> list[str]:
        """The lines that matter, at most `limit` (10 at most) of each kind, of at most `width` characters."""
        from penstock.perf.profile.draw.top import ten_lines

        return [line for found in self._finished() for line in ten_lines(found, width)[:limit]]

    def __enter__(self) -> Profiling:
        if self._was_entered:
            raise RuntimeError("expected a new profile() for each `with` block, got one that was used already")
        self._was_entered = True
        try:
            for kind in sorted(self.kinds, key=_ORDER.index):
                recorder = make_recorder(kind, self._options)
                recorder.start()
                self._recorders.append((kind, recorder))
        except BaseException:
            self._stop()
            self.profiles.clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    async def __aenter__(self) -> Profiling:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def _finished(self) -> list[Profile]:
        if not self.profiles:
            raise RuntimeError("expected the `with` block to have ended, got a question for its profile before")
        return list(self.profiles.values())

    def _stop(self) -> None:
        found: dict[Kind, Profile] = {}
        errors: list[BaseException] = []
        while self._recorders:
            kind, recorder = self._recorders.pop()
            try:
                found[kind] = recorder.stop()
            except BaseException as error:  # noqa: BLE001 - raised again below, when all the others have stopped
                errors.append(error)
        self.profiles = {kind: found[kind] for kind in self.kinds if kind in found}
        if errors:
            raise errors[0]
