"""HDF5 files that lead elsewhere, or hold what comodo does not write, are refused before anything is read."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5s, h5t

from comodo.clips.imu_windows import ImuWindows
from comodo.errors import DamageError
from comodo.storage.artefacts import create_hdf5, open_hdf5, write_texts
from tests.support.project import ROOT
from tests.support.tables import window_table, write_windows

TEXT = h5py.string_dtype()


def external(file: h5py.File) -> None:
    """A label that is the user's list of passwords."""
    file.create_dataset("label", (1,), "S40", external=[("/etc/passwd", 0, 40)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("feature", layout)


def cycle(file: h5py.File) -> None:
    group = file.create_group("a/b")
    group["a"] = file["a"]


def shared(file: h5py.File) -> None:
    file["a"] = np.ones(3)
    file["b"] = file["a"]


def deep(file: h5py.File) -> None:
    file.create_group("/".join("g" * 500))


def named_type(file: h5py.File) -> None:
    file["type"] = np.dtype("f4")


def same_text(file: h5py.File) -> None:
    """100,000 times the same text of 1 MB: 100 GB in a file of 3 MB."""
    file["text"] = ["x" * (1 << 20)] + [""] * 99_999
    file.flush()
    start = file["text"].id.get_offset()
    with Path(file.filename).open("r+b") as raw:
        raw.seek(start)
        entry = raw.read(16)
        raw.seek(start)
        raw.write(entry * 100_000)


def attribute(
    value: object, dtype: object = None, shape: tuple[int, ...] | None = None
) -> Callable[..., None]:
    def write(file: h5py.File) -> None:
        file.create_group("g").attrs.create("odd", value, shape, dtype)

    return write


def dataset(data: object, **more: object) -> Callable[..., None]:
    def write(file: h5py.File) -> None:
        file.create_group("g").create_dataset("odd", data=data, **more)

    return write


def compound(file: h5py.File) -> None:
    file["odd"] = np.zeros(2, [("a", "f4"), ("b", "i4")])


def null_space(file: h5py.File) -> None:
    file["odd"] = h5py.Empty("f4")


def reference(file: h5py.File) -> None:
    file.create_dataset("odd", (1,), h5py.ref_dtype)[0] = file.ref


def region(file: h5py.File) -> None:
    source = file.create_dataset("a", data=np.ones(4))
    file.create_dataset("odd", (1,), h5py.regionref_dtype)[0] = source.regionref[0:2]


def wide_number(file: h5py.File) -> None:
    kind = h5t.STD_I64LE.copy()
    kind.set_size(16)
    h5py.h5d.create(file.id, b"odd", kind, h5s.create_simple((4,)))


REFUSED: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "external storage": (external, "/label has its values in other places"),
    "virtual": (virtual, "/feature has its values in other places"),
    "soft link": (lambda f: f.create_group("g").__setitem__("x", h5py.SoftLink("/y")), "/g/x is a soft link"),
    "external link": (lambda f: f.__setitem__("x", h5py.ExternalLink("o.h5", "/")), "/x is a link to another file"),
    "cycle": (cycle, "/a/b/a is a second link"),
    "root again": (lambda f: f.__setitem__("root", f["/"]), "/root is a second link"),
    "second link": (shared, "/b is a second link"),
    "deep": (deep, "lies deeper than 8 groups"),
    "named type": (named_type, "/type is neither an array nor a group"),
    "one text many times": (same_text, r"arrays of 1048\d+ bytes in a file"),
    "compound": (compound, "/odd has values of a type"),
    "opaque": (dataset(np.zeros(2, "V8")), "/g/odd has values of a type"),
    "enum": (dataset(np.zeros(2, bool)), "/g/odd has values of a type"),
    "array type": (lambda f: f.create_dataset("odd", (2,), "(3,)f4"), "/odd has values of a type"),
    "lists of any length": (lambda f: f.create_dataset("odd", (2,), h5py.vlen_dtype("f4")), "/odd has values"),
    "reference": (reference, "/odd has values of a type"),
    "region": (region, "/odd has values of a type"),
    "complex": (dataset(np.zeros(2, "c8")), "/g/odd has values of a type"),
    "wide number": (wide_number, "/odd has values of a type"),
    "no values": (null_space, "/odd has no values"),
    "compressed": (dataset(np.zeros((9, 9)), compression="gzip"), "/g/odd is compressed or filtered"),
    "shuffled": (dataset(np.zeros((9, 9)), shuffle=True, chunks=(9, 9)), "/g/odd is compressed or filtered"),
    "texts in chunks": (dataset(["a"] * 9, dtype=TEXT, chunks=(9,)), "/g/odd has texts of any width, but not in one"),
    "large chunk": (
        lambda f: f.create_dataset("odd", (2,), "f4", chunks=(1 << 28,), maxshape=(None,)), "arrays of 10737",
    ),
    "huge": (lambda f: f.create_dataset("odd", (1 << 40, 1 << 20), "f4", chunks=(1, 9)), "bytes in a file of"),
    "reference in an attribute": (lambda f: f.attrs.__setitem__("r", f.ref), r"/ \(attribute r\) has values of a type"),
    "texts in an attribute": (attribute(["a", "b"], TEXT), r"/g \(attribute odd\) has 2 texts"),
    "enum in an attribute": (attribute(True), r"/g \(attribute odd\) has values of a type"),
    "empty attribute": (attribute(h5py.Empty("f4")), r"/g \(attribute odd\) has no values"),
}  # fmt: skip


def write(path: Path, content: Callable[[h5py.File], object], **more: object) -> Path:
    with h5py.File(path, "w", **more) as file:
        content(file)
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_what_comodo_does_not_write_is_refused(name: str, tmp_path: Path) -> None:
    content, why = REFUSED[name]
    path = write(tmp_path / "a.h5", content)
    with (
        pytest.raises(DamageError, match=rf"a\.h5 is damaged or not whole \(.*{why}") as caught,
        open_hdf5(path),
    ):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["external storage", "virtual", "soft link", "external link", "cycle"])
def test_so_does_the_reader_of_windows(name: str, tmp_path: Path) -> None:
    table = window_table({"r": 2})
    shard = write_windows(tmp_path / "imu.h5", table)
    with h5py.File(shard, "r+") as file:
        REFUSED[name][0](file)
    with pytest.raises(DamageError, match=REFUSED[name][1]):
        ImuWindows(table, [shard])[0]


def test_a_file_with_a_block_of_the_user_s(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", lambda f: f.create_group("g"), userblock_size=512)
    with pytest.raises(DamageError, match="its header is of another kind"), open_hdf5(path):
        pass


def test_what_comodo_wrote_is_read(tmp_path: Path) -> None:
    """Texts of any width too: the first version wrote clip ids so, and a feature file its classes."""
    with create_hdf5(tmp_path / "a.h5") as file:
        file["classes"] = ["walk", "läuft", ""]
        file["none"] = np.empty((0, 4), np.float32)
        file.create_dataset("clip", data=np.array(["a#1"] * 1000, object), dtype=TEXT)
        file.create_dataset("no clip", data=np.array([], object), dtype=TEXT)
        file.attrs["made_by"], file.attrs["checksum"], file.attrs["rate"] = "x" * 70_000, 2**32 - 1, 1.5
        write_texts(file.create_group("a/b"), "label", ["x", "yy"])
        for number in range(50):
            file.create_group(f"recording {number}").attrs["id"] = "é"
    with open_hdf5(tmp_path / "a.h5") as file:
        assert list(file["classes"].asstr()) == ["walk", "läuft", ""]
        assert len(file["clip"].asstr()[:]) == 1000
        assert len(file.attrs["made_by"]) == 70_000


@pytest.mark.parametrize("read", ["a.h5", "b.h5"])
def test_an_error_is_blamed_on_the_file_that_was_read(read: str, tmp_path: Path) -> None:
    """Not on the last one that was opened."""
    for name in ("a.h5", "b.h5"):
        write(tmp_path / name, lambda f: f.__setitem__("x", [1.0]))
    with (
        pytest.raises(DamageError, match=rf"/{read} is damaged"),
        open_hdf5(tmp_path / "a.h5") as a,
        open_hdf5(tmp_path / "b.h5") as b,
    ):
        {"a.h5": a, "b.h5": b}[read]["y"]


@pytest.mark.parametrize(
    "error", [KeyError("column"), RuntimeError("shapes cannot be multiplied"), ValueError("x")]
)
def test_an_error_of_something_else_passes_as_it_is(error: Exception, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", lambda f: f.__setitem__("x", [1.0]))
    with pytest.raises(type(error)) as caught, open_hdf5(path) as file:
        file["x"][:]
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    "read",
    [lambda f: f["y"], lambda f: f.attrs["y"], lambda f: f["x"].asstr(), lambda f: f["text"].asstr()[:]],
    ids=["array", "attribute", "numbers as text", "no utf-8"],
)
def test_what_is_missing_or_of_another_type(read: Callable[[h5py.File], object], tmp_path: Path) -> None:
    def content(file: h5py.File) -> None:
        file["x"], file["text"] = [1.0], np.array([b"\xff"], h5py.string_dtype("utf-8", 1))

    path = write(tmp_path / "a.h5", content)
    with pytest.raises(DamageError, match=r"/a\.h5 is damaged"), open_hdf5(path) as file:
        read(file)


def test_a_missing_shard_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"0\.h5"):
        ImuWindows(window_table({"r": 2}), [tmp_path / "0.h5"])[0]


@pytest.mark.parametrize(
    "path", sorted(p for f in ("src", "workflow") for p in (ROOT / f).rglob("*.py")), ids=lambda p: p.name
)
def test_hdf5_is_opened_in_one_place_only(path: Path) -> None:
    """For reading in `comodo.storage.hdf5`, for writing in `create_hdf5`."""
    allowed = {"hdf5.py": ["h5py.File(path, 'r')"], "artefacts.py": ["h5py.File(disk, 'w')"]}
    opening = (
        "h5py.File",
        "File",
        "h5f.open",
        "h5py.h5f.open",
        "pd.read_hdf",
        "pd.HDFStore",
        "read_hdf",
        "HDFStore",
    )
    tree = ast.parse(path.read_text())
    calls = [
        ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) in opening
    ]
    assert calls == (allowed.get(path.name, []) if path.parent.name == "storage" else [])
    for node in ast.walk(tree):  # no other name for it
        if isinstance(node, ast.ImportFrom) and node.module == "h5py":
            assert not {"File", "h5f", "_hl"} & {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            assert all(alias.asname is None for alias in node.names if alias.name.startswith("h5py"))
