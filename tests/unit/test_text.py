from __future__ import annotations

import csv
import logging
import re
import sys
from functools import partial
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from comodo.config import ConfigError, load
from comodo.errors import ComodoError, ImuError, LayoutError, VideoError
from comodo.jobs.log import job_log
from comodo.layouts.split_files import read_split_files
from comodo.text import for_people, inert, inert_line, printable
from tests.support.writers import write_splits

CLEAR_SCREEN = "\x1b[2J\x1b]0;title\x07"
HOSTILE = [
    "=1+1",
    "+1",
    "-1+2",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    "\t=1",
    "\r=1",
    "a\nb",
    CLEAR_SCREEN,
    "\u202egpj.exe",
]


def test_control_characters_are_shown() -> None:
    assert inert(f"a{CLEAR_SCREEN}b\n\tc\r") == "a\\x1b[2J\\x1b]0;title\\x07b\n\tc\r"
    assert inert_line("a\nb\u2028\x1b[A") == "a\\x0ab\\u2028\\x1b[A"
    assert inert("é 日本 😀 − ×") == "é 日本 😀 − ×"
    assert inert("\x1b[A") == "\x1b[A"  # a progress bar's


def test_a_printable_line_has_nothing_else() -> None:
    hostile = "".join(map(chr, [*range(0x3000), *range(0xD700, 0xE100), *range(0xFE00, 0x10010), 0xE002D]))
    assert printable(hostile).isprintable()
    assert printable("a\nb\x85\u2028\U000e002d é 日本") == "a\\x0ab\\x85\\u2028\\U000e002d é 日本"


def test_cells_are_no_formulas() -> None:
    table = pd.DataFrame({"recording": HOSTILE, "pairs": -1, "start_s": -0.5})
    rows = list(csv.DictReader(StringIO(for_people(table).to_csv(index=False), newline="")))
    for row in rows:
        assert row["recording"][0] not in "=+-@\t\r"
        assert row["recording"].isprintable()
        assert (row["pairs"], row["start_s"]) == ("-1", "-0.5")
    assert table["recording"].tolist() == HOSTILE
    assert for_people(pd.DataFrame({"student": ["-", "plain"]}))["student"].tolist() == ["-", "plain"]


SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−➕➖﬩"
BLANKS = ["", " ", "\xa0", "\u3000", "\u200b", "\ufeff", "\t", "\r", "\r\n", "\x01", "\u202e", " \u2060\t "]


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
@pytest.mark.parametrize("kind", ["object", "string", "category"])
def test_every_form_of_a_formula_s_sign_is_escaped(blank: str, kind: str) -> None:
    cells = [f"{blank}{sign}{rest}" for sign in [*SIGNS, "⩵"] for rest in ("1+1", "SUM(A1)", "\n", "ＳＵＭ")]
    table = pd.DataFrame({"recording": pd.Series(cells, dtype=kind)})
    shown = for_people(table)["recording"].tolist()
    assert shown == [f"'{inert_line(cell)}" for cell in cells]
    assert for_people(pd.DataFrame({"student": list(SIGNS)}))["student"].tolist() == list(SIGNS)


@pytest.mark.parametrize(
    "text", ["1=1", "a＝b", "日本", "é", "#1", "(a)", "_x", " a", "'=1", "–", "…", "·-1", "", " ", "\u200b"]
)
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert for_people(pd.DataFrame({"label": [text]}))["label"].tolist() == [text]


@pytest.mark.parametrize("kind", [LayoutError, partial(ImuError, "x"), partial(VideoError, "x")])
def test_errors_are_one_inert_line(kind: type[Exception]) -> None:
    assert str(kind(f"a{CLEAR_SCREEN}\nb")) == "a\\x1b[2J\\x1b]0;title\\x07\\x0ab"


@pytest.mark.parametrize(("kind", "traceback"), [(ComodoError, False), (ValueError, True), (OSError, True)])
def test_logs_are_inert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: type[Exception], traceback: bool
) -> None:
    """Users' faults are one line on the terminal; what comodo did not expect keeps its traceback there, too."""
    with pytest.raises(SystemExit), job_log(str(tmp_path / "log")) as log:
        log.info("recording %s", CLEAR_SCREEN)
        raise kind(CLEAR_SCREEN)
    shown, logged = capsys.readouterr().err, (tmp_path / "log").read_text()
    assert "\x1b" not in shown + logged
    assert shown.count("\\x1b[2J") == 2
    assert ("Traceback" in shown) == traceback
    assert logged.count("\\x1b[2J") >= 2
    assert "Traceback" in logged


def test_a_log_that_cannot_be_written_ends_no_job(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = False
    with job_log("/dev/full"):
        logging.getLogger("comodo").warning("a line")
        print("a line of a progress bar", file=sys.stderr)
        done = True
    assert done


def test_split_files_keep_ids_and_show_them_inert(tmp_path: Path) -> None:
    lines = {"train": [f"{CLEAR_SCREEN}\t=x", "b\ty"], "val": ["c\ty"], "test": ["d\ty"]}
    write_splits(tmp_path, lines)
    assert read_split_files(tmp_path)[0][:2] == (CLEAR_SCREEN, "=x")
    write_splits(tmp_path, {**lines, "val": [f"{CLEAR_SCREEN}\t=x"]})
    with pytest.raises(LayoutError) as caught:
        read_split_files(tmp_path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "=1+1", "-x", "a\nb", CLEAR_SCREEN, "", ".", "..", "a|b", "@x"]
)
def test_names_in_the_config_are_names_of_folders(name: str) -> None:
    """What becomes a folder or a cell of the accuracy tables."""
    block = {"layout": "ego4d", "root": "x"}
    for config in (
        {"datasets": {name: block}},
        {"experiments": {name: {}}},
        {"teachers": {name: {"checkpoint": "x"}}},
    ):
        with pytest.raises(ConfigError) as caught:
            load(
                {
                    "datasets": {"d": block},
                    "students": {"s": {"checkpoint": "x"}},
                    "experiments": {"e": {}},
                    **config,
                }
            )
        assert re.search("a name becomes a folder", str(caught.value))
        assert not set(str(caught.value)) & set("\x1b\x07")
