"""Readers of HDF5: what a stage wrote, with members that lead elsewhere; and trees of anything that HDF5 can hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import strategies as st

from comodo.clips.imu_windows import ImuWindows
from comodo.config import EvaluationSettings
from comodo.embeddings.anchors import ANCHOR_RULES, select_anchors
from comodo.embeddings.store import open_store, read_embeddings, read_rows, write_store
from comodo.errors import DamageError
from comodo.evaluate.anchors import score_anchors
from comodo.evaluate.features import extract_teacher_features
from comodo.evaluate.head import score_head
from comodo.recordings.imu_shard import read_channels, read_notes
from comodo.storage.artefacts import open_hdf5
from tests.fuzz.conftest import Fuzz
from tests.support.tables import window_table, write_windows

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]

WINDOWS = window_table({f"r{k}": 2 for k in range(6)}, label=["walk", "run"] * 6).assign(
    split=np.repeat(["train", "val", "test"], 4)
)
SETTINGS = EvaluationSettings(labels_per_class=["all"])


def make(folder: Path) -> None:
    """One file of each stage."""
    write_windows(folder / "imu.h5", WINDOWS)
    write_store(folder / "store.h5", WINDOWS, 4, [np.eye(12, 4, dtype=np.float32)], {})
    select_anchors(folder / "store.h5", folder / "anchors.h5")
    extract_teacher_features(folder / "store.h5", WINDOWS, folder / "anchors.h5", folder / "features.h5")
    with h5py.File(folder / "features.h5", "r+") as file:
        file["classes"] = ["run", "walk"]
        file["test/scores"] = np.eye(4, 2, dtype=np.float32)


def read_store(path: Path) -> object:
    with open_store(path) as file:
        return read_rows(file), read_embeddings(file, np.arange(3))


def read_anchors(path: Path) -> object:
    with open_hdf5(path) as file:
        return [file[rule]["embedding"][:] for rule in ANCHOR_RULES]


def read_head(path: Path) -> object:
    return score_head(path, EvaluationSettings(labels_per_class=["all"]))


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "windows": ("imu.h5", lambda path: ImuWindows(WINDOWS, [path])[3]),
    "notes": ("imu.h5", read_notes),
    "channels": ("imu.h5", lambda path: read_channels([path])),
    "store": ("store.h5", read_store),
    "anchors": ("anchors.h5", read_anchors),
    "anchor scores": ("features.h5", lambda path: score_anchors(path, SETTINGS)),
    "head scores": ("features.h5", read_head),
}


def members(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visit(found.append)
    return sorted(found)


def lead_elsewhere(file: h5py.File, member: str, how: str, sound: Path) -> None:
    """Replace a member by one that gives the very same content, from somewhere else."""
    kept = file[member]
    if how == "storage" and isinstance(kept, h5py.Dataset) and kept.dtype.kind != "O" and kept.size:
        values = kept[()]
        sound.with_name("values.bin").write_bytes(values.tobytes())
        del file[member]
        place = [(str(sound.with_name("values.bin")), 0, values.nbytes)]
        file.create_dataset(member, values.shape, kept.dtype, external=place)
    elif how == "virtual" and isinstance(kept, h5py.Dataset) and kept.size:
        layout = h5py.VirtualLayout(kept.shape, kept.dtype)
        layout[...] = h5py.VirtualSource(str(sound), member, kept.shape)
        del file[member]
        file.create_virtual_dataset(member, layout)
    elif how == "soft":
        file.move(member, "moved")
        file[member] = h5py.SoftLink("/moved")
    elif how == "hard":
        file["again"] = kept
    else:
        del file[member]
        file[member] = h5py.ExternalLink(str(sound), member)


HOW = ["soft", "external", "hard", "storage", "virtual"]


@pytest.mark.parametrize("name", READERS)
def test_no_reader_follows_where_a_file_leads(name: str, fuzz: Fuzz, tmp_path: Path) -> None:
    source, read = READERS[name]
    make(tmp_path)
    read(tmp_path / source)
    sound = (tmp_path / source).read_bytes()
    with h5py.File(tmp_path / source) as file:
        all_members = members(file)

    def reader(data: tuple[str, str], folder: Path) -> None:
        path = folder / "changed.h5"
        path.write_bytes(sound)
        with h5py.File(path, "r+") as file:
            lead_elsewhere(file, *data, folder / source)
        with pytest.raises(DamageError, match=r"changed\.h5"):
            read(path)

    found = [(member, how) for member in all_members[:1] for how in HOW]
    fuzz(name, st.tuples(st.sampled_from(all_members), st.sampled_from(HOW)), reader, found)


SOUND_TYPES = ["f4", "f8", "i8", "u1", "S3", "text"]
ODD_TYPES: list[Any] = ["c8", "V5", "?", [("a", "f4")], "(2,)f4", h5py.vlen_dtype("f4"), h5py.ref_dtype]
NAMES = st.text(
    st.characters(blacklist_characters="/.\0", blacklist_categories=["Cs"]), min_size=1, max_size=3
)
ARRAYS = st.tuples(
    st.just("array"),
    st.sampled_from(SOUND_TYPES) | st.sampled_from(SOUND_TYPES + ODD_TYPES),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from(
        [{}, {}, {"chunks": True}, {"chunks": True, "fletcher32": True}, {"compression": "gzip"}]
    ),
)
LINKS = st.tuples(st.sampled_from(["soft", "external", "root", "elsewhere"]))
TREES = st.recursive(
    ARRAYS | ARRAYS | ARRAYS | LINKS,
    lambda inner: st.tuples(st.just("group"), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)


def build(group: h5py.Group, name: str, tree: tuple[Any, ...]) -> bool:
    """Put a tree into a group; whether comodo writes such things."""
    kind, *rest = tree
    if kind == "group":
        own = group.create_group(name)
        own.attrs["id"], own.attrs["rate"] = name, 1.5
        return all([build(own, *item) for item in rest[0].items()])
    if kind == "array":
        dtype, shape, more = rest
        more = more if shape and 0 not in shape else {}
        text = dtype == "text"
        if text or dtype not in SOUND_TYPES:  # HDF5 itself refuses filters of some
            more = {"chunks": True} if more else {}
        group.create_dataset(name, shape, h5py.string_dtype() if text else dtype, **more)
        return dtype in SOUND_TYPES and "compression" not in more and not (text and more)
    if kind == "elsewhere":
        group.create_dataset(name, (4,), "u1", external=[("/etc/passwd", 0, 4)])
    else:
        links = {
            "soft": h5py.SoftLink("/x"),
            "external": h5py.ExternalLink("/etc/passwd", "/"),
            "root": group["/"],
        }
        group[name] = links[kind]
    return False


def test_what_comodo_writes_is_read_and_nothing_else(fuzz: Fuzz) -> None:
    def reader(tree: dict[str, Any], folder: Path) -> None:
        path = folder / "a.h5"
        with h5py.File(path, "w") as file:
            ours = all([build(file, *item) for item in tree.items()])
            file["room"] = np.zeros(1 << 16)  # for unwritten arrays, which take none
        if not ours:
            with pytest.raises(DamageError), open_hdf5(path):
                pass
            return
        with open_hdf5(path) as file:
            file.visititems(lambda _, item: item[()] if isinstance(item, h5py.Dataset) else None)

    fuzz("trees", st.dictionaries(NAMES, TREES, max_size=3), reader, [])
