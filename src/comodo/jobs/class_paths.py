"""Users' own classes: import one by its class path `package.module:Name`, and notice that its code changed.

The working folder is searched first, then the installed packages. What a saved student names is never looked for in the
working folder, nor in the student's own: see `import_class`.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, Final

from comodo.errors import ClassPathError
from comodo.text import first_line

CLASS_PATH: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def class_digest(class_path: str | None) -> str:
    """Return a digest of the code of a class; "" for None.

    It is of all `.py` files of the top-level package or module, and of the modules beside it that these import
    (except in `site-packages`). They are found and read, not imported.

    Raises:
        ClassPathError: no such package or module.
    """
    return "" if class_path is None else _digest(class_path, Path.cwd())


@cache
def _digest(class_path: str, folder: Path) -> str:
    digest = hashlib.sha256()
    for base, file in _source_files(class_path, folder):
        digest.update(f"{file.relative_to(base)}:".encode("utf-8", "surrogatepass"))
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _source_files(class_path: str, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (folder of the top-level name, file) of all code that a class may run, sorted within each module."""
    waiting, seen = [_top_level(class_path)], set[str]()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        spec = _find(name, folder)
        if spec is None:
            raise _not_found(class_path, folder)
        for base, files in _files_of(spec):
            for file in files:
                yield base, file
                if not _is_installed(base):
                    waiting += [
                        other for other in _imported(file) if PathFinder.find_spec(other, [str(base)])
                    ]


def _files_of(spec: ModuleSpec) -> Iterator[tuple[Path, list[Path]]]:
    """Yield (folder that holds the module or package, its files) for each place of a module or package."""
    if spec.submodule_search_locations is not None:
        for place in map(Path, spec.submodule_search_locations):
            yield place.parent, sorted(file for file in place.rglob("*.py") if file.is_file())
    elif spec.origin is not None and spec.origin.endswith(".py"):
        yield Path(spec.origin).parent, [Path(spec.origin)]


def _is_installed(folder: Path) -> bool:
    paths = sysconfig.get_paths()
    return str(folder) in {paths["purelib"], paths["platlib"], paths["stdlib"]}


def _imported(file: Path) -> Iterator[str]:
    """Yield the top-level names that a file imports, in order; nothing for a file with a syntax error."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def import_class(class_path: str, working_folder: bool = True, outside: Path | None = None) -> type[Any]:
    """Import a class.

    Args:
        class_path: `package.module:Name`.
        working_folder: search the working folder first. False for what a config does not name itself (a saved
            student): only installed packages and modules that are imported already count.
        outside: a folder that the code must not come from.

    Raises:
        ClassPathError: the module or class does not exist, its import fails, or its code lies in `outside`.
    """
    if not CLASS_PATH.fullmatch(class_path):
        raise ClassPathError(f"class {class_path!r}: write it as package.module:Name")
    module_name, _, name = class_path.partition(":")
    top, folder = _top_level(class_path), Path.cwd() if working_folder else None
    loaded = sys.modules.get(top)
    spec = _find(top, folder) if working_folder or loaded is None else loaded.__spec__
    if spec is None:
        raise _not_found(class_path, folder)
    if outside is not None and any(
        base.resolve().is_relative_to(outside.resolve()) for base, _ in _files_of(spec)
    ):
        raise ClassPathError(f"class {class_path}: code out of {outside} is never run; install its package")
    other = getattr(loaded.__spec__, "origin", None) if loaded is not None else spec.origin
    if other != spec.origin:
        raise ClassPathError(f"class {class_path}: {top!r} is also the name of {other}: rename yours")
    try:
        if loaded is None and working_folder:
            _load_top_level(top, spec)
        found = getattr(importlib.import_module(module_name), name, None)
    except Exception as error:  # anything, as it is a user's code
        raise ClassPathError(
            f"class {class_path}: the import of {module_name} failed: {_said(error)}"
        ) from error
    if not isinstance(found, type):
        raise ClassPathError(f"class {class_path}: {module_name} has no class {name!r}")
    return found


def make_object(class_path: str, kwargs: Mapping[str, Any], *args: Any) -> Any:
    """Import a class from the working folder or the installed packages and call it.

    Raises:
        ClassPathError: see `import_class`; or the call failed.
    """
    kind = import_class(class_path)
    try:
        return kind(*args, **kwargs)
    except Exception as error:
        given = ", ".join(f"{key}={value!r}" for key, value in kwargs.items())
        raise ClassPathError(
            f"class {class_path}: {kind.__name__}({given}) failed: {_said(error)}"
        ) from error


def _top_level(class_path: str) -> str:
    return re.split(r"[.:]", class_path, maxsplit=1)[0]


def _find(top: str, folder: Path | None) -> ModuleSpec | None:
    """Find a top-level package or module without importing it."""
    here = PathFinder.find_spec(top, [str(folder)]) if folder is not None else None
    if here is not None:
        return here
    try:
        return importlib.util.find_spec(top)
    except ValueError:  # of `__main__`, and of modules without a spec
        return None


def _load_top_level(top: str, spec: ModuleSpec) -> None:
    """Import a top-level package or module from where it was found; its neighbours can be imported afterwards."""
    module = importlib.util.module_from_spec(spec)
    for base, _ in _files_of(spec):
        if str(base) not in sys.path:
            sys.path.append(str(base))  # last: a file of the working folder must not hide a package
    sys.modules[top] = module
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[top]
        raise


def _not_found(class_path: str, folder: Path | None) -> ClassPathError:
    top, where = _top_level(class_path), f"in {folder} or " if folder else ""
    return ClassPathError(
        f"class {class_path}: no module {top!r} {where}among the installed packages: install it, or add its folder to "
        "PYTHONPATH"
    )


def _said(error: BaseException) -> str:
    """What an error of a user's code says, and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})" if trace is not None else ""
    return f"{type(error).__name__}: {first_line(error)}{where}"
