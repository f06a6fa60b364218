"""Open HDF5 files for reading, after a check of their content; no other module opens them.

An HDF5 file can have its content in other files, under links that lead anywhere, and in types that ask for any amount
of memory. Nothing of the kind is ours: an array is a block of numbers or texts in the file itself.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final

from comodo.errors import ComodoError, DamageError
from comodo.storage.regular import check_regular

if TYPE_CHECKING:
    import h5py

DEEPEST: Final = 8
"""Groups within each other; comodo writes two."""
WIDEST: Final = 8
"""Bytes of a number."""
REFERENCE: Final = [("length", "<u4"), ("heap", "<u8"), ("place", "<u4")]
"""Fields of an array's entry for a text of variable length: a reference into the heap of the file."""


def checked_hdf5(path: Path | str) -> h5py.File:
    """Open an HDF5 file read-only that holds only what comodo writes, all of it in the file itself.

    The caller closes it, and reads within `damage_of`.

    Raises:
        DamageError: for a file that is no HDF5, or holds something else; it names what and where.
        OSError: for a file that does not exist, or is not regular: a FIFO would never open.
    """
    import h5py

    check_regular(Path(path))
    try:
        file = h5py.File(path, "r")
        try:
            _Check(file, Path(path).stat().st_size)
        except BaseException:
            file.close()
            raise
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if getattr(error, "errno", None) is not None:  # HDF5's own errors have no errno
            raise
        raise DamageError(Path(path), error) from None
    return file


@contextmanager
def damage_of(path: Path | str) -> Iterator[None]:
    """Turn what h5py raises while it reads this one file into `DamageError`; errors of other files pass as they are."""
    try:
        yield
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        numbered = getattr(error, "errno", None) is not None
        if isinstance(error, ComodoError) or numbered or not _raised_by_reading(path, error):
            raise
        raise DamageError(Path(path), error) from None


def _raised_by_reading(path: Path | str, error: BaseException) -> bool:
    """Whether an error came through a frame of h5py whose object is of this file."""
    import h5py

    for frame, _ in walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).startswith("h5py."):
            read = frame.f_locals.get("self")
            handle = getattr(getattr(read, "_dset", read), "_id", None)  # `_dset`: of its view as text
            if handle and h5py.h5f.get_name(handle) == os.fsencode(path):
                return True
    return False


class _Check:
    """A walk through a file that refuses what comodo does not write, or more than the file can hold: `ValueError`.

    No link is followed but one that is the first to an object of this file: time is bounded by the file's size.
    """

    def __init__(self, file: h5py.File, size: int) -> None:
        from h5py import h5o

        made = file.id.get_create_plist()
        if made.get_userblock() or made.get_sizes() != (8, 8):
            raise ValueError("its header is of another kind than comodo writes")
        self.path, self.size, self.held = file.filename, size, 0
        self.seen = {h5o.get_info(file.id).addr}
        self.group(file.id, "")

    def hold(self, size: int) -> None:
        """Add to the bytes of all values: ours are written whole and not compressed."""
        self.held += size
        if self.held > self.size:
            raise ValueError(f"arrays of {self.held} bytes in a file of {self.size}")

    def group(self, group: Any, where: str) -> None:
        """Look at all that is below a group."""
        from h5py import h5d, h5g, h5l, h5o

        names: list[bytes] = []
        group.links.iterate(names.append)
        self.attributes(group, where)
        for name in names:
            place = f"{where}/{os.fsdecode(name)}"
            kind = group.links.get_info(name).type
            if kind != h5l.TYPE_HARD:
                kinds = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}
                raise ValueError(f"{place} is {kinds.get(kind, 'a link of an unknown kind')}")
            part = h5o.open(group, name)
            address = h5o.get_info(part).addr
            if address in self.seen:
                raise ValueError(f"{place} is a second link to one object")
            self.seen.add(address)
            if isinstance(part, h5d.DatasetID):
                self.array(part, place)
                self.attributes(part, place)
            elif not isinstance(part, h5g.GroupID):
                raise ValueError(f"{place} is neither an array nor a group")
            elif place.count("/") > DEEPEST:
                raise ValueError(f"{place} lies deeper than {DEEPEST} groups")
            else:
                self.group(part, place)

    def array(self, array: Any, place: str) -> None:
        """Look at an array's type, size and place."""
        from h5py import h5d, h5z

        made = array.get_create_plist()
        layout = made.get_layout()
        if made.get_external_count() or layout not in (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED):
            raise ValueError(f"{place} has its values in other places than the file")
        if any(made.get_filter(n)[0] != h5z.FILTER_FLETCHER32 for n in range(made.get_nfilters())):
            raise ValueError(f"{place} is compressed or filtered")
        width, texts = _width(array, place)
        count = _count(array, place)
        # a chunk is read as a whole
        self.hold(width * max(count, math.prod(made.get_chunk()) if layout == h5d.CHUNKED else 0))
        if texts and layout != h5d.CONTIGUOUS:
            raise ValueError(f"{place} has texts of any width, but not in one piece")
        if texts:
            self.texts(array, count)

    def texts(self, array: Any, count: int) -> None:
        """Check the lengths of variable-length texts, as given in the array; several may share one heap object."""
        import numpy as np

        if count and (start := array.get_offset()) is not None:
            entries = np.memmap(self.path, np.dtype(REFERENCE), "r", start, count)  # which end in the file
            self.hold(int(entries["length"].sum(dtype=np.uint64)))

    def attributes(self, owner: Any, place: str) -> None:
        """Look at an object's attributes; of a text of any width there is but one, which the file holds."""
        from h5py import h5a

        for n in range(h5a.get_num_attrs(owner)):
            attribute = h5a.open(owner, index=n)
            name = f"{place or '/'} (attribute {os.fsdecode(attribute.name)})"
            width, texts = _width(attribute, name)
            count = _count(attribute, name)
            self.hold(width * count)
            if texts and count > 1:
                raise ValueError(f"{name} has {count} texts of any width")


def _width(part: Any, place: str) -> tuple[int, bool]:
    """Bytes of one value of an array or attribute, and whether it is a text of any width."""
    from h5py import h5t

    kind = part.get_type()
    if kind.get_class() == h5t.STRING:
        return (kind.get_size(), False) if not kind.is_variable_str() else (16, True)
    if kind.get_class() not in (h5t.INTEGER, h5t.FLOAT) or kind.get_size() > WIDEST:
        raise ValueError(f"{place} has values of a type that comodo does not write")
    return kind.get_size(), False


def _count(part: Any, place: str) -> int:
    from h5py import h5s

    space = part.get_space()
    if space.get_simple_extent_type() not in (h5s.SCALAR, h5s.SIMPLE):
        raise ValueError(f"{place} has no values")
    return math.prod(space.get_simple_extent_dims())
