"""The published split files: fetched, checked, never overwritten."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from comodo.errors import SplitsError
from comodo.recordings.published_splits import PUBLISHED, fetch

FILES = {"train.txt": b"a\twalking\n", "val.txt": b"b\twalking\r\n", "test.txt": b"c\twalking\n"}
DIGESTS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small "published" repository: the folder that holds `EgoExo4D/`, whose digests are the expected ones."""
    folder = tmp_path / "published" / "EgoExo4D"
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    monkeypatch.setitem(PUBLISHED, "egoexo4d", ("EgoExo4D", DIGESTS))
    monkeypatch.delenv("COMODO_SPLITS_URL", raising=False)
    return folder.parent


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(published: Path) -> Iterator[str]:
    """Its address on a loopback server."""
    handler = functools.partial(Quiet, directory=str(published))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_fetch_downloads_what_was_published(server: str, tmp_path: Path) -> None:
    into = tmp_path / "new" / "folder"
    assert fetch("egoexo4d", into, url=server + "/") == [into / name for name in FILES]
    assert {path.name: path.read_bytes() for path in into.iterdir()} == FILES


def test_fetch_takes_a_mirror_from_the_environment(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMODO_SPLITS_URL", server)
    assert len(fetch("egoexo4d", tmp_path / "into")) == 3


def test_fetch_keeps_what_is_there(server: str, tmp_path: Path) -> None:
    """A second run needs no network; after a loss only the lost file is fetched."""
    paths = fetch("egoexo4d", tmp_path, url=server)
    before = [path.stat().st_mtime_ns for path in paths]
    assert fetch("egoexo4d", tmp_path, url="http://127.0.0.1:9") == paths
    paths[2].unlink()
    fetch("egoexo4d", tmp_path, url=server)
    assert [path.stat().st_mtime_ns for path in paths[:2]] == before[:2]
    assert paths[2].read_bytes() == FILES["test.txt"]


def test_fetch_never_overwrites_other_files(server: str, tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("mine\twalking\n")
    with pytest.raises(SplitsError, match=r"val\.txt exists and is not the published file.*--into"):
        fetch("egoexo4d", tmp_path, url=server)
    assert (tmp_path / "val.txt").read_text() == "mine\twalking\n"


@pytest.mark.parametrize("way", ["download", "copy"])
def test_digest_mismatch_names_file_expected_and_found(
    published: Path, server: str, tmp_path: Path, way: str
) -> None:
    (published / "EgoExo4D" / "val.txt").write_bytes(b"b\tcycling\n")
    found = hashlib.sha256(b"b\tcycling\n").hexdigest()
    into = tmp_path / "into"
    with pytest.raises(SplitsError) as raised:
        if way == "download":
            fetch("egoexo4d", into, url=server)
        else:
            fetch("egoexo4d", into, source=published)
    message = str(raised.value)
    assert message.count("\n") == 0
    for part in ("EgoExo4D/val.txt", f"expected SHA-256 {DIGESTS['val.txt']}", f"found {found}"):
        assert part in message
    assert [path.name for path in into.iterdir()] == ["train.txt"]


def test_no_network_names_url_and_remedy(published: Path, tmp_path: Path) -> None:
    with pytest.raises(SplitsError, match=r"^http://127\.0\.0\.1:9/EgoExo4D/train\.txt .*--from$") as raised:
        fetch("egoexo4d", tmp_path / "into", url="http://127.0.0.1:9")
    assert "NewConnectionError" in str(raised.value)
    assert list((tmp_path / "into").iterdir()) == []


def test_missing_file_on_the_server(published: Path, server: str, tmp_path: Path) -> None:
    (published / "EgoExo4D" / "train.txt").unlink()
    with pytest.raises(SplitsError, match=r"EgoExo4D/train\.txt cannot be fetched \(HTTP status 404\)"):
        fetch("egoexo4d", tmp_path / "into", url=server)


@pytest.mark.parametrize("source", ["", "EgoExo4D"])
def test_fetch_from_a_folder(published: Path, tmp_path: Path, source: str) -> None:
    paths = fetch("egoexo4d", tmp_path / "into", source=published / source)
    assert [path.read_bytes() for path in paths] == list(FILES.values())


def test_fetch_from_an_empty_folder(published: Path, tmp_path: Path) -> None:
    with pytest.raises(SplitsError, match=r"neither .*train\.txt nor .*train\.txt exists: correct --from"):
        fetch("egoexo4d", tmp_path / "into", source=tmp_path)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("dataset", "counts"),
    [
        ("ego4d", {"train": 1110, "val": 162, "test": 316, "ego4d_subset_ids": 2289}),
        ("egoexo4d", {"train": 3495, "val": 501, "test": 998}),
        ("uestc", {"train": 4553, "val": 653, "test": 1316}),
    ],
)
def test_published_files_have_the_published_counts(
    reference_splits: Path, tmp_path: Path, dataset: str, counts: dict[str, int]
) -> None:
    paths = fetch(dataset, tmp_path, source=reference_splits)
    assert {path.stem: len(path.read_text().splitlines()) for path in paths} == counts
