"""Writes the recommended concurrency into a config file, as the key that `penstock fetch --config FILE` reads.

It changes that one key: comments, order and everything else stay as they are. The rule: the file is replaced in one
step or not at all, and only with a recommendation.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import ConfigError
from penstock.perf.scaling.model import Tuning

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

KEY = "concurrency"
_PER_HOST = ("max-per-host", "max_per_host")
_NEW_FILE_MODE = 0o666  # less what the umask takes away


@dataclass(frozen=True)
class Applied:
    """`before` as text, None: the key or the file was not there. `warning`: what in the file still binds below it."""

    path: Path
    before: str | None
    after: int
    warning: str = ""

    def told(self) -> str:
        """`fetch.toml: concurrency 64 → 18`."""
        if self.before == str(self.after):
            return f"{self.path}: {KEY} is {self.after} already"
        return f"{self.path}: {KEY} {self.before or '(not set)'} → {self.after}"


def check_applicable(path: Path) -> None:
    """What `apply` would refuse of the file, before a minute is spent on measuring. Raises ConfigError."""
    _read(path)
    folder = path.resolve().parent
    if not folder.is_dir():
        raise ConfigError(f"--apply: expected a file in a folder that exists, got {str(path)!r}")
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"--apply: expected a folder that can be written, got {str(folder)!r}")


def apply_recommendation(tuning: Tuning, path: Path) -> Applied:
    """Set `concurrency = N` at the top level of the TOML file; makes the file when there is none.

    A symbolic link is followed; the mode of the file stays. Raises ConfigError: no recommendation, a file that is not
    TOML (with its line), that cannot be read or written, or without the tomlkit library.
    """
    if tuning.recommended is None:
        reason = f": {tuning.refusal.message}" if tuning.refusal is not None else ""
        raise ConfigError(f"--apply: expected a recommendation to write to {path}, got none{reason}")
    text, document = _read(path)
    before = document.unwrap().get(KEY)
    warning = ""
    for name in _PER_HOST:
        per_host = document.unwrap().get(name)
        if isinstance(per_host, int) and per_host < tuning.recommended:
            warning = (
                f"{path}: {name} = {per_host} stays, and binds first when all goes to one host; "
                f"the sweep had no limit per host"
            )
    document[KEY] = tuning.recommended
    written = document.as_string()
    written += "" if written.endswith("\n") else "\n"
    if "\r\n" in text and "\n" not in text.replace("\r\n", ""):
        written = written.replace("\r\n", "\n").replace("\n", "\r\n")
    _replace(path.resolve(), written)
    return Applied(path, None if before is None else str(before), tuning.recommended, warning)


def _read(path: Path) -> tuple[str, TOMLDocument]:
    try:
        import tomlkit
        from tomlkit.exceptions import ParseError, TOMLKitError
    except ImportError:
        raise ConfigError(
            "--apply: expected the tomlkit library, which keeps comments, got none installed",
            hint="pip install 'penstock[perf]'",
        ) from None
    try:
        text = path.read_bytes().decode("utf-8")  # as bytes: line ends stay what they are
    except FileNotFoundError:
        return "", tomlkit.document()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"--apply: expected a file that can be read, got {str(path)!r}: {reason}") from None
    try:
        return text, tomlkit.parse(text)
    except TOMLKitError as error:
        where = f":{error.line}" if isinstance(error, ParseError) else ""
        raise ConfigError(
            f"--apply {path}{where}: expected TOML, got: {error}", hint="mend it, or name another file"
        ) from None


def _replace(path: Path, text: str) -> None:
    """Written beside it, then renamed: a crash leaves the old file or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _NEW_FILE_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                os.chmod(partial, path.stat().st_mode & 0o7777)
            os.replace(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise
    except OSError as error:
        raise ConfigError(
            f"--apply: expected a file that can be written, got {str(path)!r}: {error.strerror}"
        ) from None
