"""The CPU profile: where the processors' time of this process and of its Python children goes.

It starts and stops the samplers and says in notes what is missing; the sampling is in cpusampler.py, children.py and,
where signals cannot be used, pyspy.py. The rule: CPU that no sample saw is said, never guessed.
"""

from __future__ import annotations

import os
import sys
import time

from penstock.perf.profile.child import ChildSampler, label_of
from penstock.perf.profile.children import Children
from penstock.perf.profile.cpusampler import CpuSampler
from penstock.perf.profile.cputimer import CpuTimer
from penstock.perf.profile.forks import ExecGuard, on_fork
from penstock.perf.profile.model import Profile
from penstock.perf.profile.pyspy import PySpy
from penstock.perf.profile.recorder import CannotProfile, RecorderOptions
from penstock.perf.profile.stacks import Stacks, Weights

INTERVAL_S = 0.005
SAMPLES_FEW = 20
_UNSEEN_SHARE = 0.05
_COARSE_SHARE = 0.1


class CpuRecorder:
    """Samples every `interval_s` seconds of CPU (5 ms). Costs below 1 % of the CPU; with py-spy, another process's.

    `numbers`: `cpu_s` (all CPU of this process, without the sampler's), `sampler_s` (the sampler's own), `unseen_s`
    (CPU after the last sample), `child_processes` if there were some.
    """

    def __init__(self, options: RecorderOptions, *, with_children: bool = True) -> None:
        self._options = options
        self._interval_s = options.interval_s or INTERVAL_S
        stacks = Stacks()
        self._weights = Weights(stacks)
        self._sampler = CpuSampler(stacks, self._weights.add, self._interval_s)
        self._children = Children(self._interval_s) if with_children else None
        self._pyspy: PySpy | None = None
        self._guard = ExecGuard(lambda path: self._end(), lambda: None)
        self._pid = 0
        self._profile: Profile | None = None

    def start(self) -> None:
        """Begin. Raises CannotProfile when neither signals nor py-spy can be used."""
        obstacle = CpuTimer.obstacle()
        self._pid = os.getpid()
        self._began_s = time.monotonic()
        if obstacle is not None:
            self._start_pyspy(obstacle)
            return
        if self._children is not None:
            self._children.expect()
        on_fork(self)
        self._guard.install()
        try:
            self._sampler.arm()
        except OSError as error:
            self._guard.remove()
            if self._children is not None:
                self._children.collect(Profile(kind="cpu", unit="seconds"))
            self._start_pyspy(str(error))

    def stop(self) -> Profile:
        """End. In a process that was forked from the recorded one the profile is empty and says so."""
        if self._profile is None:
            self._end()
        assert self._profile is not None
        return self._profile

    def _end(self) -> None:
        if self._profile is not None:
            return
        profile = self._profile = Profile(kind="cpu", unit="seconds", title=self._options.title)
        if self._pid != os.getpid():
            if self._pid:
                profile.notes.append("This process was forked from the profiled one: its samples are not here.")
            return
        if self._pyspy is not None:
            self._pyspy.stop_into(profile)
        else:
            self._guard.remove()
            trouble = self._sampler.disarm()
            self._weights.into(profile)
            self._describe(profile, trouble)
            if self._children is not None:
                self._children.collect(profile)
        profile.duration_s = time.monotonic() - self._began_s
        if profile.samples < SAMPLES_FEW:
            profile.notes.append(
                f"Too short for a CPU profile: {profile.samples} samples, {profile.total:.3f} s of CPU. "
                "Let it work longer, or look more often (--interval 1ms)."
            )

    def _describe(self, profile: Profile, trouble: str | None) -> None:
        sampler = self._sampler
        unseen_s = max(0.0, sampler.cpu_s - sampler.sampled_s)
        profile.samples = sampler.samples
        profile.numbers |= {"cpu_s": sampler.cpu_s, "sampler_s": sampler.own_s, "unseen_s": unseen_s}
        missing = f"{unseen_s:.2f} s of {sampler.cpu_s:.2f} s of CPU came after the last sample and are missing"
        if trouble is not None:
            profile.notes.append(f"{trouble}, so sampling ended there: {missing}.")
        elif unseen_s > max(_UNSEEN_SHARE * sampler.cpu_s, 4 * self._interval_s):
            profile.notes.append(
                f"{missing}: the program ended inside one long call of C code, or it kept signals from being handled."
            )
        if "uvloop" in sys.modules:
            profile.notes.append(
                "CPU that uvloop's C code used before it resumes a coroutine stands at that coroutine."
            )
        if sampler.coarse_s > _COARSE_SHARE * max(sampler.sampled_s, SAMPLES_FEW * self._interval_s):
            profile.notes.append(
                f"{sampler.coarse_s:.2f} s of other threads' CPU were looked at late, because the main thread was "
                "inside C code: they are at the stacks that those threads had at its end."
            )

    def _start_pyspy(self, obstacle: str) -> None:
        pyspy = PySpy(self._interval_s)
        if pyspy.program is None:
            raise CannotProfile(
                f"a CPU profile cannot be taken with signals: {obstacle}",
                hint="py-spy works from outside: pip install 'penstock[py-spy]', then try again",
            )
        pyspy.start(obstacle)
        self._pyspy = pyspy

    def after_fork(self, is_about_to_exec: bool) -> None:
        """In the forked child: the parent's samples are not ours; sample on as a child if the parent wants it."""
        if self._profile is not None or self._pyspy is not None or self._pid == os.getpid():
            return
        self._guard.remove()
        self._weights.clear()
        self._sampler.after_fork()
        folder = self._children.folder if self._children is not None else None
        if folder is not None and folder.is_dir() and not is_about_to_exec:
            ChildSampler(folder, self._interval_s, f"fork of {label_of(['', *sys.argv])}").start()
