"""Damage between two runs, a full disk under the results, a results folder that must not be written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import h5py
import pyarrow.parquet as pq
import pytest

from tests.support.project import Project, tiny_config

pytestmark = pytest.mark.workflow

RUN = "results/experiments/comodo/seed42"
# what is damaged, and the artefact that is made anew from it
READ_BY = {  # in an order in which no failed job has removed what is damaged next
    f"{RUN}/tiny/features.h5": f"{RUN}/tiny/svm.json",
    "results/tiny/clips.parquet": f"{RUN}/tiny/features.h5",
    "results/tiny/imu/0.h5": f"{RUN}/tiny/features.h5",
    f"{RUN}/student/model.safetensors": f"{RUN}/tiny/features.h5",
    "results/tiny/teachers/small/embeddings.h5": "results/tiny/teachers/small/anchors.h5",
}


def inside_data(path: Path) -> int:
    """A byte of a file's (largest) data: in small files most of the others describe, or mean nothing."""
    if path.suffix == ".parquet":
        column = pq.ParquetFile(path).metadata.row_group(0).column(0)
        return (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 2
    if path.suffix != ".h5":
        return path.stat().st_size // 2
    places: list[tuple[int, int]] = []

    def look(_: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f" and item.ndim == 2:
            whole = item.id.get_offset()
            start = whole if whole is not None else item.id.get_chunk_info(0).byte_offset
            places.append((item.size, start + 9))

    with h5py.File(path) as file:
        file.visititems(look)
    return max(places)[1]


@pytest.mark.slow
def test_damage_is_named(copied: Project) -> None:
    """One error that names the file and the remedy; nothing is made of it."""
    config = tiny_config()
    for damaged, target in READ_BY.items():
        path = copied.folder / damaged
        whole, times = path.read_bytes(), path.stat()

        def put(content: bytes, path: Path = path, times: os.stat_result = times) -> None:
            path.write_bytes(content)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # damage does not look new

        place = inside_data(path)
        flipped = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        for content in (whole[: len(whole) // 2], flipped):
            put(content)
            done = copied.snakemake(config, "--force", "--", target)
            assert done.returncode != 0, damaged
            output = done.stdout + done.stderr
            shown = damaged.removeprefix("results/")
            line = [line for line in output.splitlines() if line.startswith("error: ") and shown in line]
            assert line, output
            assert "delete it and run again" in line[0]
            assert "Traceback" not in done.stderr
        put(whole)


def mount(folder: Path, options: str) -> None:
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")


@pytest.mark.slow
def test_a_full_disk_is_named_and_the_rerun_goes_on(finished: Project, tmp_path: Path) -> None:
    project = Project(tmp_path)
    results = tmp_path / "results"
    mount(results, "size=200k")
    try:
        done = project.snakemake(tiny_config(), "--", "prepared")
        assert done.returncode != 0
        output = done.stdout + done.stderr
        assert "cannot be written (No space left on device): free space" in output, output
        assert not list(results.rglob(".partial-*"))
        subprocess.run(["mount", "-o", "remount,size=50m", str(results)], check=True)
        project.run(tiny_config(), "--", "prepared")
        made, expected = (folder / "tiny/quality.csv" for folder in (results, finished.folder / "results"))
        assert made.read_bytes() == expected.read_bytes()
    finally:
        subprocess.run(["umount", "--lazy", str(results)], check=True)


def test_results_that_must_not_be_written(copied: Project) -> None:
    """The error names the folder, and everything in it stays."""
    results = copied.folder / "results"
    if os.geteuid() == 0:  # whom permissions do not stop
        moved = copied.folder / "moved"
        results.rename(moved)
        mount(results, "size=50m")
        shutil.copytree(moved, results, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", str(results)], check=True)
    else:
        results.chmod(0o500)
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    config = tiny_config()
    config["datasets"]["tiny"]["clip_s"] = 2.5
    try:
        done = copied.snakemake(config)
        assert done.returncode != 0
        assert "results/" in done.stderr
        assert re.search("Write-protected output|Read-only file system|Permission denied", done.stderr), (
            done.stderr
        )
        assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", "--lazy", str(results)], check=True)
        else:
            results.chmod(0o700)
