"""What readers are given: sound files with cells, branches and bytes changed, and noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from comodo.config import DatasetSettings
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Layout

COLUMNS = {"time": "t", "accel": ["ax", "ay", "az"], "gyro": ["gx", "gy", "gz"]}  # of an IMU csv

CELLS = st.text(max_size=8) | st.sampled_from(
    [
        *(
            "",
            " ",
            "0",
            "1",
            "-1",
            "NaN",
            "NULL",
            "inf",
            "-inf",
            "1e308",
            "-1e308",
            "1e-320",
            "1e18",
            "0x10",
            "1_0",
            "١",
        ),
        *(
            ",",
            '"',
            "\t",
            ";",
            "\r",
            "\n",
            "\0",
            "\ufeff",
            "\udcff",
            '"a\nb"',
            '""',
            "=1+1",
            "\x1b[2J",
            "1" * 400,
        ),
        *("1e18", "9223372036854775808", "x" * 200_000),
    ]
)


@st.composite
def edited(draw: st.DrawFn, texts: list[str], separator: str = ",") -> bytes:
    """A sound text with cells, lines and bytes changed."""
    lines = [line.split(separator) for line in draw(st.sampled_from(texts)).split("\n")]
    for _ in range(draw(st.integers(0, 6))):
        line = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["cell", "cell", "column", "drop", "repeat", "swap", "add"]))
        place = draw(st.integers(0, max(0, len(lines[line]) - 1)))
        if kind == "cell" and lines[line]:
            lines[line][place] = draw(CELLS)
        elif kind == "column":
            cell = draw(CELLS)
            for row in lines[1:]:
                if place < len(row):
                    row[place] = cell
        elif kind == "drop" and len(lines) > 1:
            del lines[line]
        elif kind == "repeat" and sum(len(cell) for row in lines for cell in row) < 1_000_000:
            lines[line:line] = [list(lines[line])] * draw(st.integers(1, 50))
        elif kind == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[line], lines[other] = lines[other], lines[line]
        elif kind == "add":
            lines[line].insert(place, draw(CELLS))
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"]))
    whole = end.join(separator.join(line) for line in lines).encode(
        "utf-8", "surrogateescape" if draw(st.booleans()) else "replace"
    )
    return draw(smashed(whole)) if draw(st.booleans()) else whole


@st.composite
def smashed(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with some of them changed, taken out or put in, or cut short."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["set", "flip", "insert", "remove", "cut", "number"]))
        if kind == "set":
            data[place : place + 1] = draw(st.binary(min_size=1, max_size=4))
        elif kind == "flip" and place < len(data):
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "insert":
            data[place:place] = draw(st.binary(max_size=20))
        elif kind == "remove":
            del data[place : place + draw(st.integers(1, 40))]
        elif kind == "cut":
            del data[place:]
        elif kind == "number":
            data[place : place + 4] = draw(
                st.sampled_from([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"])
            )
    return bytes(data)


def any_bytes(*sound: str, separator: str = ",") -> st.SearchStrategy[bytes]:
    """A sound text, edited, or bytes that are none."""
    return edited(list(sound), separator) | st.binary(max_size=200)


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
    | st.sampled_from(["d", "t", "s", "e", "${NO}", "${HOME", "~", "../..", "a\0b", "\udcff", [], {}, "comodo", "all"])
)  # fmt: skip

TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=6) | st.integers() | st.sampled_from(["video", "root"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)

NEW_KEYS = st.text(max_size=6) | st.sampled_from(["batch_size", "baseline", "video", "projection"])


@st.composite
def regrown(draw: st.DrawFn, sound: Any) -> Any:
    """A tree with some branches replaced, left out or renamed."""
    made = json.loads(json.dumps(sound))
    for _ in range(draw(st.integers(0, 4))):
        block = made
        while isinstance(block, (dict, list)) and block:
            key: Any = draw(
                st.sampled_from(sorted(block, key=str) if isinstance(block, dict) else range(len(block)))
            )
            if isinstance(block[key], (dict, list)) and draw(st.integers(0, 3)):
                block = block[key]
                continue
            kind = draw(st.sampled_from(["put", "put", "new", "drop"]))
            if kind == "drop":
                del block[key]
            elif kind == "new" and isinstance(block, dict):
                block[draw(NEW_KEYS)] = draw(TREES)
            else:
                block[key] = draw(TREES)
            break
    return made


def any_json(sound: Any) -> st.SearchStrategy[bytes]:
    """A sound tree, regrown, as JSON; other trees; its text, edited."""
    trees = (regrown(sound) | TREES).map(lambda tree: json.dumps(tree, default=str, skipkeys=True).encode())
    return trees | any_bytes(json.dumps(sound, indent=0), separator=" ")


def layout(folder: Path, kind: str, **more: Any) -> Layout:
    """The reader of a layout below `folder`."""
    given = {"layout": kind, "root": str(folder), **more}
    return open_layout("x", DatasetSettings.model_validate(given))
