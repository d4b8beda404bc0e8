"""Finds the process function that a reference names: `package.module:function` or `path/to/file.py:function`.

Importing runs the user's module; nothing else here has effects. The one rule: whatever is wrong with the reference
or the module is a ConfigError that says what was expected, what came, where, and what to type next.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from penstock.errors import ConfigError

_FORM = "module:function or path/to/file.py:function"


@dataclass(frozen=True)
class Wanted:
    """How messages speak of the function: what it is, what its one argument is, how it is named and written."""

    what: str = "process function"
    argument: str = "the response"
    example: str = "--process mypackage.pages:parse"
    code: str = "def parse(response): return {'title': ...}"


_PROCESS = Wanted()


def load_function(reference: str, wanted: Wanted = _PROCESS) -> Callable[..., Any]:
    """Import and return the function that `reference` names; dots after the colon reach into classes.

    The current directory, and for a file its own folder, are put first on `sys.path` so that sibling modules import.
    Raises ConfigError for: no colon, a module or file that is missing or raises, a missing attribute (with the
    nearest names), something that is not callable, or a function that cannot be called with one response.
    """
    module_name, colon, attribute = reference.rpartition(":")
    if not colon or not module_name or not attribute:
        raise ConfigError(f"{wanted.what}: expected {_FORM}, got {reference!r}", hint=f"for example {wanted.example}")
    if module_name.endswith(".py") or "/" in module_name or "\\" in module_name:
        module = _import_file(module_name, reference, wanted.what)
    else:
        module = _import_module(module_name, reference, wanted.what)
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise _missing(module, found, part, f"{wanted.what} {reference}") from None
    check_function(found, reference, wanted)
    return found  # type: ignore[no-any-return]  # a user's module is untyped by nature; checked to be callable


def check_function(function: object, where: str, wanted: Wanted = _PROCESS) -> None:
    """Raise ConfigError unless `function` can be called with one positional argument. `where` names it in messages."""
    if inspect.isclass(function):
        raise ConfigError(
            f"{wanted.what} {where}: expected a function, got the class {function.__qualname__}",
            hint=f"name a function that takes {wanted.argument}, or a method of an instance made in the module",
        )
    if not callable(function):
        raise ConfigError(
            f"{wanted.what} {where}: expected something callable, got {type(function).__qualname__}",
            hint=wanted.code,
        )
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return  # a function written in C without a signature: only calling it can tell
    try:
        signature.bind(object())
    except TypeError as error:
        raise ConfigError(
            f"{wanted.what} {where}: expected a function of one positional argument ({wanted.argument}), "
            f"got the signature {_name(function)}{signature}: {error}",
            hint=f"{wanted.code.partition(' return')[0]} ...; give further parameters a default",
        ) from None


def file_module_name(path: Path) -> str:
    """The name under which a file is imported: the same in every process, and never that of another module."""
    return f"penstock_file_{zlib.crc32(os.fsencode(path.resolve())):08x}_{path.stem}"


def _import_module(name: str, reference: str, what: str) -> ModuleType:
    _put_first_on_path(os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise _module_not_found(name, error.name, reference, what) from None
        raise _raised_on_import(f"{what} {reference}", error) from error
    except (Exception, SystemExit) as error:
        raise _raised_on_import(f"{what} {reference}", error) from error


def _import_file(text: str, reference: str, what: str) -> ModuleType:
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        raise ConfigError(
            f"{what} {reference}: expected a Python file at {path}, got "
            + ("a directory" if path.is_dir() else "nothing there"),
            hint=_near_files(path),
        )
    name = file_module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{what} {reference}: expected a Python file, got {path.name}", hint="name it *.py")
    _put_first_on_path(os.getcwd())
    _put_first_on_path(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up by name
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _raised_on_import(f"{what} {reference}", error) from error
    return module


def _put_first_on_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _module_not_found(name: str, missing: str, reference: str, what: str) -> ConfigError:
    hint = f"looked in {os.getcwd()} and sys.path; a file is named with its suffix, as in path/to/{missing}.py:function"
    as_file = Path(*name.split(".")).with_suffix(".py")
    near = difflib.get_close_matches(name.partition(".")[0], [path.stem for path in Path.cwd().glob("*.py")], n=1)
    if as_file.is_file():
        hint = f"try {as_file}:{reference.rpartition(':')[2]}"
    elif near:
        hint = f"did you mean {near[0]}:{reference.rpartition(':')[2]}?"
    return ConfigError(f"{what} {reference}: no module named {missing!r}", hint=hint)


def _raised_on_import(where: str, error: BaseException) -> ConfigError:
    last = traceback.format_exception_only(type(error), error)[-1].strip()
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith("<frozen") and frame.filename not in (__file__, importlib.__file__):
            place = f" ({frame.filename}:{frame.lineno})"
    if isinstance(error, SyntaxError) and error.filename:
        place = f" ({error.filename}:{error.lineno})"
    return ConfigError(
        f"{where}: expected a module that imports, but importing it raised {last}{place}",
        hint=f"python -c 'import runpy; runpy.run_path({error.filename!r})' shows the whole error"
        if isinstance(error, SyntaxError) and error.filename
        else "import the module in a Python shell to see the whole traceback",
    )


def _missing(module: ModuleType, holder: object, part: str, named: str) -> ConfigError:
    public = [name for name in dir(holder) if not name.startswith("_")]
    near = difflib.get_close_matches(part, public, n=3)
    own = [
        name
        for name, value in vars(module).items()
        if inspect.isroutine(value) and getattr(value, "__module__", None) == module.__name__
    ]
    where = getattr(module, "__file__", None) or module.__name__
    if near:
        hint = "did you mean " + " or ".join(near) + "?"
    elif own:
        hint = "functions there: " + ", ".join(own[:10])
    else:
        hint = f"{where} defines no function"
    return ConfigError(f"{named}: expected a function named {part!r} in {where}, got none", hint=hint)


def _near_files(path: Path) -> str:
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either"
    near = difflib.get_close_matches(path.name, [file.name for file in path.parent.glob("*.py")], n=1)
    return f"did you mean {path.parent / near[0]}?" if near else f"ls {path.parent}"


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__qualname__)
