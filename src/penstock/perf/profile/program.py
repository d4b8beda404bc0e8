"""Runs somebody's program in this process as `python` would: a script, `-m` a module, or one of our own commands.

It sets `__main__`, `sys.argv` and `sys.path[0]` and lets every exception through. Profiling is launch.py's business.
The rule: the program must not be able to tell, but by looking for it.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import io
import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Literal

from penstock.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Program:
    """`name` is a path, a module's name or a command's; `arguments` are its own."""

    form: Literal["script", "module", "command"]
    name: str
    arguments: tuple[str, ...]

    @property
    def title(self) -> str:
        """As a person would type it, without the arguments."""
        return {"script": "", "module": "python -m ", "command": "penstock "}[self.form] + self.name


def find_program(words: Sequence[str], commands: Collection[str]) -> Program:
    """What `SCRIPT|-m MODULE|COMMAND [ARGS…]` means; `commands` are our own. A file named like one is `./NAME`.

    Raises ConfigError when there is nothing to run, or it is not there.
    """
    if words and words[0] == "penstock" and len(words) > 1:
        words = words[1:]
    if not words:
        raise ConfigError(
            "expected a program to profile: SCRIPT, -m MODULE or a penstock command; got nothing",
            hint="say, penstock profile cpu my_script.py, or penstock profile cpu -- fetch urls.txt -o out",
        )
    name, arguments = words[0], tuple(words[1:])
    if name == "-m":
        if not arguments:
            raise ConfigError("-m: expected the name of a module, got nothing")
        return Program("module", arguments[0], arguments[1:])
    if name in commands:
        return Program("command", name, arguments)
    if name.startswith("-"):
        raise ConfigError(
            f"expected a program to profile, got {name!r}, which is no option of `penstock profile`",
            hint="options come before the program: penstock profile KIND [OPTIONS] PROGRAM [ARGS…]",
        )
    if not os.path.exists(name):
        raise ConfigError(
            f"expected a script, -m MODULE or a penstock command, got {name!r}, which does not exist",
            hint=f"the commands are {', '.join(commands)}; for a module on the path: -m {name}",
        )
    return Program("script", name, arguments)


def run_program(program: Program, run_command: Callable[[list[str]], None]) -> None:
    """Run it to its end. Whatever it raises comes out, SystemExit and KeyboardInterrupt too."""
    match program.form:
        case "command":
            sys.argv = ["penstock", program.name, *program.arguments]
            run_command([program.name, *program.arguments])
        case "module":
            _run_module(program)
        case "script" if _holds_main(program.name):
            sys.argv = [program.name, *program.arguments]
            _replace_first_folder(_absolute(program.name))
            spec = importlib.machinery.PathFinder.find_spec("__main__", [_absolute(program.name)])
            if spec is None or spec.loader is None:
                raise ImportError(f"can't find '__main__' module in {program.name!r}")
            _run_spec(spec)
        case "script":
            sys.argv = [program.name, *program.arguments]
            _replace_first_folder(os.path.dirname(os.path.realpath(program.name)))
            path = _absolute(program.name)
            main = _main_module(importlib.machinery.SourceFileLoader("__main__", path), path)
            with io.open_code(path) as file:
                source = file.read()
            _execute(compile(source, path, "exec", dont_inherit=True), main)


def _run_module(program: Program) -> None:
    sys.argv = ["-m", *program.arguments]
    _replace_first_folder(os.getcwd())
    spec = _find_spec(program.name)
    sys.argv[0] = spec.origin or program.name
    _run_spec(spec)


def _run_spec(spec: importlib.machinery.ModuleSpec) -> None:
    assert spec.loader is not None
    code = spec.loader.get_code(spec.name)  # type: ignore[attr-defined]  # every loader of source or bytecode has it
    if code is None:
        raise ImportError(f"No code object available for {spec.name}")
    main = _main_module(spec.loader, spec.origin)
    main.__dict__.update({"__spec__": spec, "__package__": spec.parent, "__cached__": spec.cached})
    _execute(code, main)


def _find_spec(name: str) -> importlib.machinery.ModuleSpec:
    """The spec of what `python -m NAME` runs: for a package, its `__main__`. Raises ImportError in Python's words."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        name = f"{name}.__main__"
        spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name}", name=name)
    return spec


def _main_module(loader: object, file: str | None) -> ModuleType:
    main = ModuleType("__main__")
    names: dict[str, object] = {"__builtins__": builtins, "__loader__": loader, "__file__": file, "__cached__": None}
    if sys.version_info < (3, 14):
        names["__annotations__"] = {}  # there from the start in the main module, unlike in others
    main.__dict__.update(names)
    sys.modules["__main__"] = main
    return main


def _execute(code: CodeType, main: ModuleType) -> None:
    exec(code, main.__dict__)  # noqa: S102 - to run the user's program is what this is for


def _replace_first_folder(folder: str) -> None:
    """The first entry of the path is the program's folder, as it was ours; with `python -P` there is none."""
    if sys.flags.safe_path:
        return
    sys.path[0] = folder


def _absolute(path: str) -> str:
    return os.path.join(os.getcwd(), path)  # not normalised, as Python does it


def _holds_main(path: str) -> bool:
    """Whether Python would look for a `__main__.py` inside: a folder, or a zip file."""
    if path.endswith((".py", ".pyw")) or os.path.isdir(path):
        return os.path.isdir(path)
    import zipfile

    return zipfile.is_zipfile(path)
