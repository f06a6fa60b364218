"""The measured figures as text: on the terminal, and in docs/."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks import scaling

PACKAGES = ("torch", "transformers", "scikit-learn", "numpy", "pandas", "av", "decord", "h5py", "snakemake")
BEGIN, END = "<!-- speed: begin (written by `make bench`) -->", "<!-- speed: end -->"
HEADER = ("line", "stage", "ours", "limit or peer", "", "ratio", "spread", "target", "met")


def machine(cores: int) -> dict[str, Any]:
    """What the figures were measured on and with."""
    names = [
        line.partition(":")[2].strip()
        for line in _read("/proc/cpuinfo").splitlines()
        if line.startswith("model name")
    ]
    memory = next((line.split()[1] for line in _read("/proc/meminfo").splitlines()), "0")
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": cores,
        "of_cores": os.cpu_count(),
        "memory_gb": round(int(memory) / 1e6),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "packages": {name: version(name) for name in PACKAGES},
    }


def _read(path: str) -> str:
    return Path(path).read_text() if os.path.exists(path) else ""


def rows_of(figures: dict[str, Any], lines: list[str]) -> list[list[str]]:
    """The cells of the table, row by row."""
    table = []
    for line in lines:
        found = figures["lines"].get(line)
        if found is None:
            continue
        for row in found.get("rows", []):
            ratio, spread = "", f"{figure(row['low'])}–{figure(row['high'])}" if row["repeats"] > 1 else ""
            if row["ratio"] is not None:
                percent = "%" in row["target"] or (not row["target"] and row["unit"].endswith("/s"))
                show = (lambda x: f"{x:.0%}") if percent else (lambda x: f"{figure(x)}×")
                ratio = show(row["ratio"])
                spread = f"{show(row['low'])}–{show(row['high'])}" if row["repeats"] > 1 else ""
            limit = "" if row["limit"] is None else f"{figure(row['limit'])} {row['unit']}"
            met = {None: "", True: "yes", False: "**no**"}[row["met"]]
            ours = f"{figure(row['ours'])} {row['unit']}"
            what = f"{row['what']}; {row['note']}" if row["note"] else row["what"]
            table.append([line, what, ours, limit, row["against"], ratio, spread, row["target"], met])
        if "rows" not in found:
            why = f"skipped: {found['skipped']}" if "skipped" in found else f"failed: {found['failed']}"
            table.append([line, why, *[""] * (len(HEADER) - 2)])
    return table


def figure(value: float) -> str:
    """Three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def text(figures: dict[str, Any], lines: list[str]) -> str:
    """The table for a terminal."""
    return tabulate(
        rows_of(figures, lines), HEADER, maxcolwidths=[None, 40, None, None, 30], disable_numparse=True
    )


def write_docs(figures: dict[str, Any], docs: Path) -> None:
    """Bring docs/benchmark-tables.md (the part between the markers) and docs/scaling.md up to date."""
    path = docs / "benchmark-tables.md"
    old = path.read_text() if path.exists() else "# Benchmark tables\n\n"
    before, begin, rest = old.partition(BEGIN)
    if not begin:
        before = before.rstrip("\n") + "\n\n"
    after = rest.partition(END)[2] if begin else "\n"
    path.write_text(f"{before}{BEGIN}\n{section(figures)}\n{END}{after}")
    (docs / "scaling.md").write_text(scaling.document(figures))


def section(figures: dict[str, Any]) -> str:
    """The speed section of docs/benchmark-tables.md."""
    where = figures["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in where["packages"].items())
    cpu = f"{where['cores']} of {where['of_cores']} cores of {where['cpu']}"
    days = sorted({found["measured"][:10] for found in figures["lines"].values()})
    table = tabulate(
        rows_of(figures, list(figures["lines"])), HEADER, tablefmt="github", disable_numparse=True
    )
    return f"""## Speed

`make bench` ({", ".join(days)}): {cpu}, {where["memory_gb"]} GB.
{where["system"]}; {packages}.

Each line runs in its own process, ours and the limit in turn. The table shows medians; the ratio is the median of the
pairs' ratios, the spread their extremes. `make bench LINES=svm` runs one line. The figures lie in
[speed.json](speed.json); [scaling.md](scaling.md) tells what they mean for large data, and
[performance.md](performance.md) what bounds each stage.

{table}"""
