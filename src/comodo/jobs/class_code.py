"""Find, check and hash the code of user-defined classes without importing it."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Final

from comodo.errors import ClassPathError
from comodo.text import did_you_mean

CLASS_PATH: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
DYNAMIC: Final = re.compile(r"import \*|__getattr__|__path__|globals\(|sys\.modules|setattr\(|exec\(")
"""Code that may define names or module locations dynamically, which only an import can resolve."""


def class_digest(class_path: str | None) -> str:
    """Return a digest of the code of a class; "" for None.

    The digest covers all `.py` files of the top-level package or module. Outside of `site-packages`, it also covers
    imported modules in the same folder. Files are read and not imported.

    Raises:
        ClassPathError: if the module or class does not exist, the module has a syntax error, or a file cannot be read.
            Also if a module in the same folder has the name of an installed one.
    """
    return "" if class_path is None else _digest(class_path, Path.cwd())


@cache
def _digest(class_path: str, folder: Path) -> str:
    check_syntax(class_path)
    spec = find_top_level(class_path, folder)
    check_named(class_path, spec)
    digest = hashlib.sha256()
    for base, file in _source_files(class_path, spec):
        digest.update(f"{file.relative_to(base)}:".encode("utf-8", "surrogatepass"))
        digest.update(hashlib.sha256(_read(class_path, file)).digest())
    return digest.hexdigest()[:16]


def check_syntax(class_path: str) -> None:
    """Raise `ClassPathError` unless a class path has the form `package.module:Name`."""
    if not CLASS_PATH.fullmatch(class_path):
        raise ClassPathError(f"class {class_path[:200]!r}: write it as package.module:Name")


def top_level(class_path: str) -> str:
    """Return the name of the top-level package or module."""
    return re.split(r"[.:]", class_path, maxsplit=1)[0]


def find_top_level(class_path: str, folder: Path | None) -> ModuleSpec:
    """Find the top-level package or module of a class without importing it. `folder` is searched first.

    As usual in Python, a package takes precedence over a folder of the same name without `__init__.py`.

    Raises:
        ClassPathError: if there is no such package or module.
    """
    name = top_level(class_path)
    here = PathFinder.find_spec(name, [str(folder)]) if folder is not None else None
    if here is not None and here.origin is not None:
        return here
    other = installed(name)
    spec = other if here is None or (other is not None and other.origin is not None) else here
    if spec is None:
        where = f"in {folder} or " if folder else ""
        raise ClassPathError(
            f"class {class_path}: no module {name!r} {where}among the installed packages: install it, or add its "
            "folder to PYTHONPATH"
        )
    return spec


def installed(name: str) -> ModuleSpec | None:
    """Find an imported or installed top-level module. The "" of `python -c`, the working folder, is not searched."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__spec__", None)
    return _on_path(name, [path for path in sys.path if path])


def _on_path(name: str, path: list[str]) -> ModuleSpec | None:
    for finder in sys.meta_path:  # PathFinder and the finders of built-in modules and editable installs
        if (
            type(finder).__module__ == "_distutils_hack"
        ):  # setuptools' finder; a search for pip replaces distutils
            continue
        found = finder.find_spec(name, path if finder is PathFinder else None)
        if found is not None:
            return found
    return None


def places(class_path: str, spec: ModuleSpec) -> Iterator[Path]:
    """Yield the files and folders of the module of a class and of its packages."""
    for part in _parts(class_path, spec):
        if part is not None:
            yield from map(Path, part.submodule_search_locations or ())
            if part.origin is not None:
                yield Path(part.origin)


def check_named(class_path: str, spec: ModuleSpec) -> None:
    """Check that the module and class of a class path exist, as far as possible without an import.

    Raises:
        ClassPathError: if one does not exist. The message suggests the most similar name.
    """
    names, parent = class_path.partition(":")[0].split("."), spec
    for number, part in enumerate(_parts(class_path, spec)):
        if part is None:
            if DYNAMIC.search(_text(class_path, parent)):
                return
            package = ".".join(names[:number])
            if parent.submodule_search_locations is None:
                raise ClassPathError(
                    f"class {class_path}: {package} is a module ({parent.origin}), not a package"
                )
            known = {
                file.stem for place in parent.submodule_search_locations for file in Path(place).glob("*.py")
            }
            raise ClassPathError(
                f"class {class_path}: the package {package!r} has no module {names[number]!r}"
                + suggestion(names[number], known - {"__init__"})
            )
        parent = part
    name, text = class_path.partition(":")[2], _text(class_path, parent)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise ClassPathError(
            f"class {class_path}: the import of {parent.name} failed: {type(error).__name__}: "
            f"{getattr(error, 'msg', error)} ({parent.origin}, line {line})"
        ) from None
    if text and name not in re.findall(r"\w+", text) and not DYNAMIC.search(text):
        raise no_class(class_path, {node.name for node in tree.body if isinstance(node, ast.ClassDef)})


def no_class(class_path: str, known: Iterable[str]) -> ClassPathError:
    """Return the error for a class that is not in its module; `known` are the classes of the module."""
    module, _, name = class_path.partition(":")
    return ClassPathError(f"class {class_path}: {module} has no class {name!r}{suggestion(name, known)}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a hint with the known name most similar to `name`, or else with some known names."""
    known = sorted(known)
    if near := did_you_mean(name, known):
        return near
    return f"; it has {', '.join(known[:8])}{' …' if len(known) > 8 else ''}" if known else ""


def is_standard(spec: ModuleSpec) -> bool:
    """Return whether a module is in the standard library."""
    own = {Path(sysconfig.get_path(key)) for key in ("stdlib", "platstdlib")}
    return spec.name in sys.stdlib_module_names or any(base in own for base, _ in files_of(spec))


def files_of(spec: ModuleSpec) -> Iterator[tuple[Path, list[Path]]]:
    """Yield (parent folder, `.py` files) for each location of a module or package."""
    if archive := getattr(spec.loader, "archive", None):
        yield Path(archive).parent, [Path(archive)]
    elif spec.submodule_search_locations is not None:
        for place in map(Path, spec.submodule_search_locations):
            yield place.parent, sorted(_walk(place))
    elif spec.origin is not None and spec.origin.endswith(".py"):
        yield Path(spec.origin).parent, [Path(spec.origin)]


def _walk(place: Path) -> Iterator[Path]:
    """Yield the `.py` files below a folder. Links to folders are followed, and each folder is visited once."""
    seen = set()
    for folder, inner, files in os.walk(place, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted(name for name in inner if not name.startswith(".") and name != "__pycache__")
        found = (Path(folder, name) for name in files if name.endswith(".py"))
        yield from (file for file in found if file.is_file())


def _source_files(class_path: str, spec: ModuleSpec) -> Iterator[tuple[Path, Path]]:
    """Yield (folder of the top-level name, file) for all code that a class may run, sorted within each module."""
    waiting, seen = [spec], {spec.name}
    while waiting:
        for base, files in files_of(waiting.pop(0)):
            for file in files:
                yield base, file
                if _is_installed(base):
                    continue
                for name in _imported(_read(class_path, file)):
                    if name not in seen:
                        seen.add(name)
                        waiting += _beside(class_path, name, base, file)


def _beside(class_path: str, name: str, base: Path, file: Path) -> list[ModuleSpec]:
    """Return the spec of the module `name` in `base` if `file` imports that module, and else an empty list.

    Raises:
        ClassPathError: if an installed module has the same name.
    """
    own = PathFinder.find_spec(name, [str(base)])
    if own is None or name in sys.stdlib_module_names:
        return []
    path = [path for path in sys.path if path]
    other = installed(name) or _on_path(name, [*path, str(base)])
    if other is None or _same(own, other):
        return [own]
    if own.origin is None:  # a package takes precedence over a folder without `__init__.py`
        return []
    raise ClassPathError(
        f"class {class_path}: {file} imports {name!r}, which is both {own.origin} and {other.origin}: rename your "
        "module"
    )


def _same(one: ModuleSpec, other: ModuleSpec) -> bool:
    if one.origin is None or other.origin is None:
        return one.origin == other.origin
    return os.path.realpath(one.origin) == os.path.realpath(other.origin)


def _is_installed(folder: Path) -> bool:
    own = {sysconfig.get_path(key) for key in ("purelib", "platlib", "stdlib", "platstdlib")}
    return str(folder) in own or bool({"site-packages", "dist-packages"} & set(folder.parts))


def _parts(class_path: str, spec: ModuleSpec) -> Iterator[ModuleSpec | None]:
    """Yield the spec of each part of `package.module`; end with None at the first part that is not found."""
    yield spec
    for name in class_path.partition(":")[0].split(".")[1:]:
        where = spec.submodule_search_locations
        found = PathFinder.find_spec(name, list(where)) if where is not None else None
        yield found
        if found is None:
            return
        spec = found


def _text(class_path: str, spec: ModuleSpec) -> str:
    """Return the source of a module or of a package's `__init__.py`; "" if it is not a plain `.py` file."""
    if spec.origin is None or not spec.origin.endswith(".py") or hasattr(spec.loader, "archive"):
        return ""
    return _read(class_path, Path(spec.origin)).decode("utf-8-sig", "replace")


def _read(class_path: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ClassPathError(f"class {class_path}: {file} cannot be read ({error.strerror})") from None


def _imported(source: bytes) -> Iterator[str]:
    """Yield the top-level names that a file imports, in order; none if the file has a syntax error."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
