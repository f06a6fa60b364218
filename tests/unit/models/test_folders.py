"""Folders of students and teachers as a whole: their lists of digests, and readers beside a writer."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from comodo.errors import DamageError, ModelError
from comodo.models.distilled import load_distilled, save_distilled
from comodo.models.students import load_student, save_student
from comodo.models.teachers import load_teacher
from comodo.storage import artefacts
from comodo.storage.artefacts import SUMS, check_sums, write_sums
from comodo.storage.files import atomic
from tests.support.checkpoints import write_dinov2
from tests.support.students import FRESH, small_student


@pytest.fixture(autouse=True)
def pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefacts, "PAUSE_S", 0.3)


def write(folder: Path, seed: int = 3) -> None:
    student = small_student("dlinear", seed)
    save_distilled(folder, student, {"student": nn.Linear(student.dim, 4)}, [], objective="l2")


@pytest.mark.parametrize("family", FRESH)
def test_every_folder_that_is_saved_lists_its_files(family: str, tmp_path: Path) -> None:
    save_student(small_student(family), tmp_path / "s")
    listed = {line.split("  ")[1] for line in (tmp_path / "s" / SUMS).read_text().splitlines()}
    assert listed == {file.name for file in (tmp_path / "s").iterdir()} - {SUMS}
    own = json.loads((tmp_path / "s/comodo.json").read_text())
    (tmp_path / "s/comodo.json").write_text(json.dumps({**own, "reduction": "mean"}))
    with pytest.raises(DamageError, match=r"comodo\.json is damaged"):
        load_student(tmp_path / "s")


def test_a_student_without_its_list_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Else another `reduction` would change the features, and nobody would know."""
    write(tmp_path / "s")
    (tmp_path / "s" / SUMS).unlink()
    for load in (load_student, lambda folder: load_distilled(folder, "cpu")):
        with pytest.raises(
            ModelError, match=rf"has comodo\.json but no {SUMS}.*cd {tmp_path}/s && sha256sum \* > {SUMS}"
        ):
            load(tmp_path / "s")
    write_sums(tmp_path / "s")
    load_distilled(tmp_path / "s", "cpu")


@pytest.mark.parametrize(
    "name",
    [
        "classifier.safetensors",
        "teacher_projection.safetensors",
        "classes.json",
        "adapter_config.json",
        "x.bin",
    ],
)
def test_a_file_that_is_not_listed_is_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path / "s")
    (tmp_path / "s/.directory").touch()  # of a file manager; no library reads it
    load_distilled(tmp_path / "s", "cpu")
    save_file({"weight": torch.ones(2, 384), "bias": torch.ones(2)}, tmp_path / "s" / name)
    with pytest.raises(DamageError, match=rf"{name} is damaged or not whole \({SUMS} does not list it\)"):
        load_distilled(tmp_path / "s", "cpu")


def test_so_is_one_of_a_teacher(tmp_path: Path) -> None:
    write_dinov2(tmp_path)
    write_sums(tmp_path)
    load_teacher(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(DamageError, match=r"adapter_config\.json"):
        load_teacher(tmp_path)


DIGEST = "0" * 64


@pytest.mark.parametrize(
    "text",
    [b"x", b"\xff\xfe", f"{DIGEST}  ../../etc/passwd\n".encode(), f"{DIGEST}  /etc/passwd\n".encode(),
     b"\n" * (2 << 20),
     f"{DIGEST[1:]}  config.json\n".encode(), f"{DIGEST} config.json\n".encode()],
    ids=range(7),
)  # fmt: skip
def test_an_odd_list_of_digests(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / SUMS).write_bytes(text)
    with pytest.raises(DamageError, match=rf"{SUMS} is damaged"):
        check_sums(tmp_path)


@pytest.mark.parametrize("line", ["{}  config.json", "{} *config.json", "{}  ./config.json"])
def test_lists_as_sha256sum_writes_them(line: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / SUMS).write_text(line.format(artefacts.file_digest(tmp_path / "config.json").upper()) + "\n")
    check_sums(tmp_path)


READERS: dict[str, Callable[[Path], object]] = {
    "student": load_student,
    "distilled": lambda folder: load_distilled(folder, "cpu"),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("left", [None, "config.json", "model.safetensors"])
def test_a_reader_between_the_two_steps_of_a_writer_waits(
    read: Callable[[Path], object], left: str | None, tmp_path: Path
) -> None:
    """`left` is still there of the old folder."""
    folder, partial = tmp_path / "s", tmp_path / ".partial-0-1-s"
    write(partial)
    if left:
        shutil.copytree(partial, folder)
        for file in folder.iterdir():
            if file.name not in (left, SUMS):
                file.unlink()

    def end() -> None:
        time.sleep(0.15)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)

    writer = threading.Thread(target=end)
    writer.start()
    try:
        read(folder)
    finally:
        writer.join()


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_folder_that_stays_half_written_is_not_to_be_deleted(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    write(tmp_path / "s")
    (tmp_path / "s/model.safetensors").unlink()
    with pytest.raises(DamageError, match="delete it and run again"):
        read(tmp_path / "s")
    (tmp_path / ".partial-0-1-s").mkdir()
    with pytest.raises(
        ModelError, match=r"is being rewritten \(\.partial-0-1-s lies beside it\): run again when"
    ):
        read(tmp_path / "s")


def test_a_folder_that_is_replaced_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the config would be of one student and the weights of another."""
    write(tmp_path / "s", seed=1)
    reads: list[object] = []

    def read() -> int:
        reads.append(0)
        if len(reads) == 1:
            with atomic(tmp_path / "s") as partial:
                write(partial, seed=2)
        return len(reads)

    assert artefacts.read_whole(tmp_path / "s", read) == 2
