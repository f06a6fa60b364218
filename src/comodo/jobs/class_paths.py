"""Import user-defined classes by class path, `package.module:Name`, and create objects of them.

The working folder is searched first, then the installed packages. A class that a saved student names is never imported
from the working folder or from the student's folder; see `import_class`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from traceback import walk_tb
from typing import Any, Final

from comodo.errors import ClassPathError
from comodo.jobs.class_code import (
    CLASS_PATH,
    check_named,
    check_syntax,
    class_digest,
    files_of,
    find_top_level,
    is_standard,
    no_class,
    places,
    top_level,
)
from comodo.text import first_line, inert_line

__all__ = ["CLASS_PATH", "called", "class_digest", "import_class", "make_object", "said"]

LIBRARIES: Final = ("site-packages", "dist-packages", os.path.dirname(os.__file__), "<frozen")
LONGEST: Final = 300
"""Maximum length of an argument list in a message, characters."""


def import_class(class_path: str, working_folder: bool = True, outside: Path | None = None) -> type[Any]:
    """Import a class.

    Args:
        class_path: `package.module:Name`.
        working_folder: search the working folder first. Use False if the config does not name the class, as for a
            saved student. Then only installed packages and imported modules are searched, without the standard library.
        outside: folder that the code must not come from.

    Raises:
        ClassPathError: if the module or class does not exist, its import fails, or its code is in `outside`.
    """
    check_syntax(class_path)
    module_name, _, name = class_path.partition(":")
    top = top_level(class_path)
    loaded = sys.modules.get(top)
    spec = find_top_level(class_path, Path.cwd() if working_folder else None)
    if outside is not None and any(
        place.resolve().is_relative_to(outside.resolve()) for place in places(class_path, spec)
    ):
        raise ClassPathError(f"class {class_path}: code in {outside} is never executed; install its package")
    if not working_folder and (is_standard(spec) or "__main__" in module_name.split(".")):
        raise ClassPathError(
            f"class {class_path}: it is not a torch.nn.Module: {module_name} is a program or in the standard library"
        )
    other = getattr(loaded.__spec__, "origin", None) if loaded is not None else spec.origin
    if other != spec.origin:
        raise ClassPathError(f"class {class_path}: {top!r} is also the name of {other}: rename your module")
    check_named(class_path, spec)
    try:
        if loaded is None:
            _load_top_level(top, spec)
        module = importlib.import_module(module_name)
        found = getattr(module, name, None)
    except (Exception, SystemExit) as error:  # user code may raise any exception
        raise ClassPathError(
            f"class {class_path}: the import of {module_name} failed: {said(error)}"
        ) from error
    if not isinstance(found, type):
        raise no_class(class_path, (key for key, kind in vars(module).items() if isinstance(kind, type)))
    return found


def make_object(class_path: str, kwargs: Mapping[str, Any], *args: Any) -> Any:
    """Import a class from the working folder or the installed packages, and instantiate it.

    Raises:
        ClassPathError: if the import or the call fails; see `import_class`.
    """
    return called(class_path, import_class(class_path), kwargs, *args)


def called(class_path: str, kind: type[Any], kwargs: Mapping[str, Any], *args: Any) -> Any:
    """Call an imported class; raise `ClassPathError` if the call fails."""
    try:
        return kind(*args, **kwargs)
    except (Exception, SystemExit) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in kwargs.items())
        given = inert_line(given if len(given) <= LONGEST else f"{given[:LONGEST]} …")
        raise ClassPathError(f"class {class_path}: {kind.__name__}({given}) failed: {said(error)}") from error


def said(error: BaseException) -> str:
    """Return the message of an error in user code, and its location: the last frame outside of libraries."""
    if isinstance(error, SyntaxError):
        text, where = first_line(error.msg), f" ({error.filename}, line {error.lineno})"
    else:
        trace = list(walk_tb(error.__traceback__))[1:]
        names, lines = [frame.f_code.co_filename for frame, _ in trace], [line for _, line in trace]
        own = [
            n
            for n, name in enumerate(names)
            if name != __file__ and not any(part in name for part in LIBRARIES)
        ]
        last = next(reversed(own or range(len(names))), None)
        text, where = first_line(error), f" ({names[last]}, line {lines[last]})" if last is not None else ""
    return f"{type(error).__name__}: {inert_line(text)}{where}"


def _load_top_level(top: str, spec: ModuleSpec) -> None:
    """Import a top-level package or module from its spec, and add its folder to `sys.path`."""
    module = importlib.util.module_from_spec(spec)
    for base, _ in files_of(spec):
        if str(base) not in sys.path:
            sys.path.append(str(base))  # at the end: a file of the working folder must not shadow a package
    sys.modules[top] = module
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[top]
        raise
