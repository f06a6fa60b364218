"""The published split files, fetched from the published repository and checked by their digests."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from comodo.errors import SplitsError
from comodo.storage.files import atomic
from comodo.storage.regular import open_regular

URL: Final = "https://raw.githubusercontent.com/cruiseresearchgroup/COMODO/main/dataset"
# The folder of each dataset in the published repository, and the SHA-256 of its files.
PUBLISHED: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "ego4d": (
        "Ego4D",
        {
            "train.txt": "279a9a699c3b8f3df98f1620f535473fac9aea6e3a885ed42217a8cc074420e1",
            "val.txt": "fe8e99fb4b37c18daa7b8ea5b69f76466b81a27b16a4ae9db0728e760614ba17",
            "test.txt": "2ba316ad0a945116977f95c1cfdbe46d5ed139654aa194b0e1487768834f1e41",
            # all 2289 videos with IMU: the list for Ego4D's own downloader
            "ego4d_subset_ids.txt": "23add79a481135d8974d1b5796ee9a58339995e5e573022a5990e04b3af9f25b",
        },
    ),
    "egoexo4d": (
        "EgoExo4D",
        {
            "train.txt": "9191bed3a56ec4ee05fc625eef6a988a9c3f616410e21df6ec41ccea993fb8ef",
            "val.txt": "1bdffc8e8f91979d365d327313dc7997974ddda8edca46a66807ac543cd8d77a",
            "test.txt": "c7b47471f91cf9e6293528445afd106688bfdf44248319c73ce12776b6d90893",
        },
    ),
    "uestc": (
        "UESTC-MMEA-CL",
        {
            "train.txt": "2b84f10320d4be6a808904e07760e0a0880e25ee390652b580f3cf53beea415c",
            "val.txt": "2ede4b4c6286a6cf18b6386685059e9bb8fb7ce25ed2f240791f646decd7158e",
            "test.txt": "7fd58c11cef349701585fdd7b32256829ed2e7afac99a8544540aa50ab78e148",
        },
    ),
}


def fetch(dataset: str, into: Path, *, source: Path | None = None, url: str | None = None) -> list[Path]:
    """Get the published split files of a dataset ("ego4d", "egoexo4d" or "uestc"), with their SHA-256 checked.

    Files that are already there and whole are kept; other files of the same name are never overwritten.

    Args:
        dataset: a key of `PUBLISHED`.
        into: the folder to write to.
        source: take the files from this folder instead of the network: theirs, or one with a folder `Ego4D`,
            `EgoExo4D` or `UESTC-MMEA-CL` in it (such as `dataset/` of a clone of the published repository).
        url: a mirror of the published `dataset/` folder; default the environment variable `COMODO_SPLITS_URL`, else
            the published repository.

    Returns:
        The paths of the files.

    Raises:
        SplitsError: a file cannot be fetched, has another digest, or would overwrite a different one.
    """
    folder, digests = PUBLISHED[dataset]
    base = f"{(url or os.environ.get('COMODO_SPLITS_URL') or URL).rstrip('/')}/{folder}"
    for name, expected in digests.items():
        target = into / name
        if target.exists():
            if (found := _sha256(target)) == expected:
                continue
            raise SplitsError(
                f"{target} exists and is not the published file (SHA-256 {found}, expected {expected}): "
                "move it away, or fetch into another folder with --into"
            )
        with atomic(target) as partial:
            if source is None:
                origin = f"{base}/{name}"
                _download(origin, partial)
            else:
                origin = _copy(source, folder, name, partial)
            if (found := _sha256(partial)) != expected:
                raise SplitsError(
                    f"{origin} is not the published {folder}/{name}: expected SHA-256 {expected}, found {found}"
                )
    return [into / name for name in digests]


def fetch_into(folder: Path) -> list[Path]:
    """Fetch the published split files of the dataset that a folder is named after: `Ego4D`, `EgoExo4D`, …

    Raises:
        SplitsError: see `fetch`.
    """
    names = {published: dataset for dataset, (published, _) in PUBLISHED.items()}
    return fetch(names[folder.name], folder)


def _download(url: str, target: Path) -> None:
    import pooch

    try:
        # Without pooch's cache: `fetch` checks existing files and words its own errors.
        pooch.HTTPDownloader(timeout=30)(url, str(target), None)
    except OSError as error:  # those of requests are OSErrors
        response = getattr(error, "response", None)
        reason = getattr(error.args[0], "reason", error) if error.args else error
        why = type(reason).__name__ if response is None else f"HTTP status {response.status_code}"
        raise SplitsError(
            f"{url} cannot be fetched ({why}): check the network, "
            "or download its folder elsewhere and name that with --from"
        ) from error


def _copy(source: Path, folder: str, name: str, target: Path) -> str:
    candidates = [source / folder / name, source / name]
    origin = next((path for path in candidates if path.is_file()), None)
    if origin is None:
        raise SplitsError(f"neither {candidates[0]} nor {candidates[1]} exists: correct --from")
    shutil.copyfile(origin, target)
    return str(origin)


def _sha256(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SplitsError(f"{path} cannot be read ({error.strerror}): move it away") from None
