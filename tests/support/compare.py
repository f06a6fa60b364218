"""Whether two runs of the workflow ended with the same artefacts."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

# Of json files: how long something took; when a raw file was made.
TIMINGS = {"seconds", "search_seconds", "files"}
ENVIRONMENT = re.compile(
    rb'<script type="application/json" id="environment">.*?</script>'
)  # of the report page
PASSING = {"logs", "benchmarks"}  # folders below results/ that differ between runs


def artefacts(folder: Path) -> dict[str, str]:
    """Digest of every whole file below `folder`, by its path: results but logs and benchmarks, and simulated data.

    Of parquet and HDF5 it is the contents that count (rows and dtypes; data sets and attributes), of json all but the
    timings, of all else the bytes.
    """
    roots = [root for root in (folder / "results").glob("*") if root.name not in PASSING] + [
        folder / "dataset"
    ]
    return {
        str(path.relative_to(folder)): hashlib.sha256(_contents(path)).hexdigest()
        for root in roots
        for path in root.rglob("*")
        if path.is_file() and path.name != ".snakemake_timestamp" and ".partial-" not in str(path)
    }


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """The paths that are missing on one side or differ."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def _contents(path: Path) -> bytes:
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        return f"{table.dtypes.to_dict()}\n{table.to_csv()}".encode()
    if path.suffix == ".h5":
        return _hdf5(path)
    if path.suffix == ".json":
        return json.dumps(_untimed(json.loads(path.read_text()))).encode()
    if path.suffix == ".html":
        return ENVIRONMENT.sub(b"", path.read_bytes())
    return path.read_bytes()


def _hdf5(path: Path) -> bytes:
    digest = hashlib.sha256()

    def add(name: str, node: Any) -> None:
        digest.update(f"{name} {sorted((key, str(value)) for key, value in node.attrs.items())}".encode())
        if isinstance(node, h5py.Dataset):
            digest.update(f"{node.shape} {node.dtype}".encode())
            digest.update(repr(node[()].tolist()).encode() if node.dtype == object else node[()].tobytes())

    with h5py.File(path, "r") as file:
        add("/", file)
        file.visititems(add)
    return digest.digest()


def _untimed(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _untimed(value) for key, value in content.items() if key not in TIMINGS}
    if isinstance(content, list):
        return [_untimed(value) for value in content]
    return content
