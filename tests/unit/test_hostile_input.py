"""Files that ask for more memory, time or rights than they should get are refused, in bounded memory."""

from __future__ import annotations

import ast
import json
import re
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.support.writers import take, write_splits, write_takes, write_video

from comodo.config import DatasetSettings
from comodo.layouts.opening import open_layout
from comodo.layouts.types import LayoutError
from comodo.recordings.small_video import extract
from comodo.storage.artefacts import CHECKED, DamageError, open_hdf5

ROOT = Path(__file__).parents[2]
MB = 1 << 20

# ------------------------------------------------------------------------------------------------------------- memory

CHILD = """
import resource
from pathlib import Path
import h5py, numpy, pandas, pyarrow.csv
from comodo.config import DatasetSettings
from comodo.embeddings import store
from comodo.layouts import Recording, open_layout
from comodo.layouts.split_files import read_split_files
from comodo.recordings import resample, video_source
def layout(kind, **more):
    return open_layout("x", DatasetSettings.model_validate({"layout": kind, "root": ".", **more}))
def recording(path):
    return Recording("a", "train", "x", Path("a.mp4"), Path(path))
def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
before = megabytes()
try:
    %s
except Exception as error:
    print(type(error).__name__, str(error)[:300].replace("\\n", " "))
print(megabytes() - before)
"""


def refused(code: str, folder: Path) -> tuple[str, int]:
    """What a process of its own says to `code`, and the memory it took, MB."""
    command = [sys.executable, "-c", CHILD % textwrap.indent(code, "    ").strip()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    *said, memory = done.stdout.strip().splitlines()
    return "\n".join(said), int(memory)


def write_line(path: Path, piece: bytes, size: int = 100 * MB, first: bytes = b"") -> None:
    with path.open("wb") as file:
        file.write(first)
        for _ in range(size // (len(piece) << 10)):
            file.write(piece * 1024)


def write_png(path: Path, side: int) -> None:
    """A grey picture of `side` × `side` pixels in a few kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def write_absurd_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("embedding", (1 << 40, 1 << 20), "float32", chunks=(1, 1024))
        for name in ("clip", "label", "split"):
            file.create_dataset(name, (1 << 40,), h5py.string_dtype(), chunks=(1024,))
        file.attrs["clips_digest"], file.attrs["checksum"] = "x", 0


HEADER = b"canonical_timestamp_ms,gyro_x,gyro_y,gyro_z,accl_x,accl_y,accl_z\n"
READ_CSV = 'layout("ego4d").read_imu(recording("a.csv"))'


def npy(shape: str) -> bytes:
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': %s}\n" % shape.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def sparse_imu(path: Path) -> None:
    """10,000 pairs of samples, five hours after each other: a signal of six years."""
    times = [f"{18_000_000 * k + more},1,2,3,4,5,{k}" for k in range(10_000) for more in (0, 10)]
    path.write_bytes(HEADER + "\n".join(times).encode())


BOMBS: dict[str, tuple[Callable[[Path], object], str, str, int]] = {
    "single-line csv": (lambda f: write_line(f / "a.csv", b"1,2,3,"), READ_CSV, "imu|first line does not end", 100),
    "single-cell csv": (lambda f: write_line(f / "a.csv", b"aaaa"), READ_CSV, "first line does not end", 100),
    "csv with an endless second line": (
        lambda f: write_line(f / "a.csv", b"1,2,3,", first=HEADER), READ_CSV, "a line does not end", 50,
    ),
    "single-line split file": (
        lambda f: (
            write_splits(f, {"val": ["a\tx"], "test": ["b\tx"]}),
            write_line(f / "train.txt", b"aaaa", first=b"a\t"),
        ),
        'read_split_files(Path("."))', "train.txt has 100 MB, too much for a list", 20,
    ),
    "single-line table": (
        lambda f: write_line(f / "t.csv", b"1,2,3,"), 'layout("table", table="t.csv").recordings()', "has 99 MB", 20,
    ),
    "npy that declares more than it holds": (
        lambda f: (
            (f / "a.npy").write_bytes(npy("(6, 2147483648)")),
            (f / "a_timestamps.npy").write_bytes(npy("(2,)")),
        ),
        'layout("ego4d").read_imu(recording("a.npy"))', "ImuError .*a.npy is not an array", 20,
    ),
    "timestamps far apart": (
        lambda f: sparse_imu(f / "a.csv"), f"resample.resample({READ_CSV})", "spread 4.* samples over .* hours", 200,
    ),
    "png of 256 MB named mp4": (
        lambda f: write_png(f / "a.mp4", 16000), 'video_source.probe(Path("a.mp4"))', "VideoError", 100,
    ),
    "HDF5 of absurd shapes": (
        lambda f: write_absurd_hdf5(f / "a.h5"),
        'store.open_store(Path("a.h5")).__enter__()',
        "DamageError .*bytes in a file",
        50,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_refused_in_bounded_memory(name: str, tmp_path: Path) -> None:
    write, code, why, most = BOMBS[name]
    write(tmp_path)
    said, memory = refused(code, tmp_path)
    print(f"{name}: {memory} MB: {said}")
    assert re.search(why, said), said
    assert memory < most


def test_large_sound_files_are_no_bombs(tmp_path: Path) -> None:
    """A picture of 8K and an array of any length are read."""
    write_png(tmp_path / "a.mp4", 7680)
    said, _ = refused('print(video_source.probe(Path("a.mp4")).width)', tmp_path)
    assert said == "7680"
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.zeros((1000, 1000), np.float32), chunks=True, **CHECKED)
        file["text"] = ["x" * k for k in range(1000)]
    with open_hdf5(tmp_path / "a.h5") as file:
        assert file["x"].shape == (1000, 1000)


def test_a_jump_of_years_in_the_time_of_a_video(tmp_path: Path) -> None:
    """The gap would be filled with 10 pictures a second."""
    write_video(tmp_path / "a.mp4", 40)
    data = (tmp_path / "a.mp4").read_bytes()
    place = data.index(b"stts")
    count, runs = struct.unpack(">II", data[place + 4 : place + 12])[1], data[place + 12 : place + 20]
    assert (count, struct.unpack(">I", runs[:4])[0]) == (1, 40)
    delta = struct.unpack(">I", runs[4:])[0]
    jumped = struct.pack(">II", 40, 40_000 * delta)  # 4000 s between frames
    (tmp_path / "a.mp4").write_bytes(data.replace(runs, jumped))
    made = extract(tmp_path / "a.mp4", tmp_path / "out.mp4", 10, 32, 10, 18)
    assert made.n_frames < 50
    assert made.duration_s < 10
    assert made.reason in ("video_damaged", "video_truncated")


@pytest.mark.parametrize("length", [0, 8, 1 << 40, 2**64 - 1])
def test_safetensors_with_a_wrong_header(length: int, tmp_path: Path) -> None:
    """Of a checkpoint from elsewhere, which has no list of digests."""
    from tests.support.project import STUDENT

    from comodo.models.students import load_student, new_student, save_student

    save_student(new_student("mantis", STUDENT["architecture_config"], seed=0), tmp_path / "s")
    path = tmp_path / "s/model.safetensors"
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load_student(str(tmp_path / "s"))


# ------------------------------------------------------------------------------------------------------ paths and code


def test_paths_in_takes_json_are_read_and_never_written(tmp_path: Path) -> None:
    """Only the id names what is written; it does so through `safe_name`."""
    root = tmp_path / "raw"
    write_splits(root / "splits", {"train": ["../../up\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    write_takes(root, [{**take("../../up"), "root_dir": "/etc"}, {**take("b"), "root_dir": "../../.."}])
    settings = DatasetSettings.model_validate(
        {"layout": "egoexo4d", "root": str(root), "video": {"size": 32}}
    )
    from comodo.recordings.imu_shard import preprocess_shard
    from comodo.recordings.small_video import extract_shard

    recordings = open_layout("x", settings).recordings()
    out = tmp_path / "results"
    table = extract_shard(recordings, out / "video", settings, 1)
    preprocess_shard("x", settings, recordings, out / "imu.h5")
    assert set(table["reason"]) == {"video_missing_file"}
    with h5py.File(out / "imu.h5") as file:
        assert sorted(file) == ["%2E.%2F..%2Fup", "b", "c", "d"]
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "results"}


@pytest.mark.parametrize(
    "changed",
    [
        {"root_dir": 5},
        {"take_name": 5},
        {"take_name": ["a"]},
        {"capture": {"capture_name": 5}},
        {"root_dir": {"a": "b"}},
    ],
)
def test_takes_json_of_wrong_types(changed: dict[str, object], tmp_path: Path) -> None:
    write_splits(tmp_path / "splits", {"train": ["a\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    write_takes(tmp_path, [{**take("a"), **changed}, take("b")])
    layout = open_layout("x", DatasetSettings.model_validate({"layout": "egoexo4d", "root": str(tmp_path)}))
    with suppress(LayoutError):
        assert len(layout.recordings()) == 4


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"videos": [[["a"], 1]]}', '{"videos": {"a": 1}}', "1e999", '"\\ud800"']
)
def test_json_that_is_no_metadata(content: str, tmp_path: Path) -> None:
    write_splits(tmp_path / "splits", {"train": ["a\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    for name, layout in (("ego4d.json", "ego4d"), ("takes.json", "egoexo4d")):
        (tmp_path / name).write_text(content)
        reader = open_layout("x", DatasetSettings.model_validate({"layout": layout, "root": str(tmp_path)}))
        with suppress(LayoutError):
            assert len(reader.recordings()) == 4


def test_damaged_digest_is_no_crash(tmp_path: Path) -> None:
    save_file({"a": np.zeros(3)}, tmp_path / "a.safetensors")
    (tmp_path / "a.h5").write_bytes(json.dumps({}).encode())
    with pytest.raises(DamageError), open_hdf5(tmp_path / "a.h5"):
        pass


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize(
    "path", sorted(p for f in ("src", "workflow") for p in (ROOT / f).rglob("*.py")), ids=lambda p: p.name
)
def test_data_never_become_code(path: Path) -> None:
    """No pickle, `eval`, shell or YAML objects in the tree, and no code of a checkpoint."""
    text = path.read_text()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}, (
                ast.unparse(node)
            )
    for name, call in calls(tree):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert name not in {
            "eval",
            "exec",
            "compile",
            "os.system",
            "os.popen",
            "yaml.load",
            "yaml.unsafe_load",
        }, name
        assert name not in {"pd.read_pickle", "h5py.special_dtype", "joblib.load"}, name
        assert given.get("shell", "False") == "False", name
        assert given.get("trust_remote_code", "False") == "False", name
        if name == "torch.load":
            assert given.get("weights_only") == "True"
        if name == "np.load":
            assert given.get("allow_pickle") == "False"
        if name.endswith("to_pickle"):
            raise AssertionError(name)


def test_rules_build_no_shell_command() -> None:
    """Every rule calls a script: nothing from a table ever stands in a command line."""
    for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]:
        lines = [line.strip() for line in path.read_text().splitlines()]
        assert not {"shell:", "run:"} & set(lines), path
        assert not any(line.startswith(("shell(", "os.system", "eval(", "exec(")) for line in lines), path
