"""Recording ids: the shard of a recording, and ids as file names."""

from __future__ import annotations

import hashlib
from urllib.parse import quote


def shard_of(recording_id: str, shards: int) -> int:
    """Which of `shards` jobs handles a recording: the same on every machine and in every process."""
    return int.from_bytes(hashlib.sha256(_bytes(recording_id)).digest()[:8], "big") % shards


def safe_name(recording_id: str) -> str:
    """Turn any id into a file name and HDF5 key: ASCII letters, digits and `_-.%~`, no leading dot, ≤ 200 characters.

    Different ids get different names (on case-sensitive file systems); long ones end in a digest.
    """
    name = quote(_bytes(recording_id), safe="").replace("~", "%7E") or "%"
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > 200:
        name = f"{name[:120]}~{hashlib.sha256(_bytes(recording_id)).hexdigest()}"
    return name


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
