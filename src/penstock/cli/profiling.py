"""`--profile KIND` of `fetch` and `retry`: records the run and leaves the flamegraph's files beside it.

They go to OUT/_penstock/profiles, where `penstock report` finds them. The rule: the run's own result and exit code do
not depend on the profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.engine.rundir import RunDir

if TYPE_CHECKING:
    from penstock.perf.profile.recorder import Recorder

PROFILES_DIR = "profiles"


class Profiling:
    """A context manager around the run; without `--profile` it does nothing. `said`: lines for after the summary."""

    def __init__(self, command: str, parameters: dict[str, Any]) -> None:
        """Raises ConfigError when that kind cannot be recorded here, say because an extra is missing."""
        self.said: Sequence[str] = ()
        self._folder = RunDir(parameters["out"]).internal / PROFILES_DIR
        self._recorder: Recorder | None = None
        if parameters.get("profile") is not None:
            from penstock.perf.profile.recorder import RecorderOptions, make_recorder

            options = RecorderOptions(title=f"penstock {command} {parameters['out']}")
            self._recorder = make_recorder(parameters["profile"], options)

    def __enter__(self) -> Profiling:
        if self._recorder is not None:
            self._recorder.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._recorder is None:
            return
        from penstock.perf.profile.draw.output import write_profile
        from penstock.perf.profile.draw.top import ten_lines

        profile = self._recorder.stop()
        if not self._folder.parent.is_dir():
            return  # the run did not begin
        try:
            paths = write_profile(profile, self._folder)
        except OSError as error:
            self.said = [f"penstock: the profile could not be written: {error}"]
            return
        self.said = [*ten_lines(profile), f"flamegraph: {paths[0]}"]
