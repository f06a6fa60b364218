"""`python -m benchmarks [LINE …]`: measure, print the table, keep it in docs/.

Each line runs in a process of its own, one after the other. Figures go to docs/speed.json (a line that is run alone
replaces its own rows there), and from there into docs/benchmark-tables.md and docs/scaling.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.measure import Bench, Row, Skipped

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs/speed.json"

LINES = {
    "extract": "video:extract",
    "frames": "video:frames",
    "encode": "video:encode",
    "imu": "imu:preprocess",
    "distill": "training:step",
    "queue": "training:queue",
    "features": "training:features",
    "memory": "training:memory",
    "svm": "svm:search",
    "svm-large": "svm:large",
    "store": "store:batches",
    "noop": "workflow:noop",
    "jobs": "workflow:jobs",
    "recordings": "scale:recordings",
    "clips": "scale:clips",
    "gpu-encode": "video:gpu",
    "gpu-distill": "training:gpu",
    "experiment": "experiment:whole",
}


def main() -> int:
    """Run the chosen lines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("lines", nargs="*", metavar="LINE", help=f"all of: {', '.join(LINES)}")
    parser.add_argument("--repeats", type=int, default=5, help="of what takes seconds; default 5")
    parser.add_argument("--cores", type=int, default=min(2, os.cpu_count() or 1), help="default 2")
    parser.add_argument(
        "--json", type=Path, default=FIGURES, help="where the figures go; docs/ only with the default"
    )
    parser.add_argument("--docs-only", action="store_true", help="write docs/ from the figures again")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := [line for line in options.lines if line not in LINES]:
        parser.error(f"no line {unknown[0]!r}; there are {', '.join(LINES)}")
    if options.child:
        run_here(options.lines[0], options.child, options.repeats, options.cores)
        return 0
    lines = [] if options.docs_only else options.lines or list(LINES)
    figures = json.loads(options.json.read_text()) if options.json.exists() else {"lines": {}}
    failed = False
    for line in lines:
        done = run_apart(line, options.repeats, options.cores)
        failed |= "rows" not in done and "skipped" not in done
        if figures.get("machine") != (machine := tables.machine(options.cores)):
            figures = {"machine": machine, "lines": {}}  # figures of two machines make no table
        figures["lines"][line] = done
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    figures["lines"] = {line: figures["lines"][line] for line in LINES if line in figures["lines"]}
    print(tables.text(figures, lines or list(LINES)))
    if options.json == FIGURES:
        tables.write_docs(figures, ROOT / "docs")
    return int(failed)


def run_apart(line: str, repeats: int, cores: int) -> dict[str, Any]:
    """Run a line in a new process on `cores` cores; what came of it."""
    began = time.perf_counter()
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    with tempfile.TemporaryDirectory(prefix=f"comodo-bench-{line}-") as folder:
        result = Path(folder, "rows.json")
        command = [sys.executable, "-m", "benchmarks", line, "--child", str(result)]
        command += ["--repeats", str(repeats), "--cores", str(cores)]
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        print(f"{line} …", file=sys.stderr, flush=True)
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        found = json.loads(result.read_text()) if result.exists() else {"failed": f"exit status {status}"}
    return {"measured": when, "took_s": round(time.perf_counter() - began), **found}


def run_here(line: str, result: Path, repeats: int, cores: int) -> None:
    """Run a line in this process, which has no more than `cores` cores, and write its rows."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    module, _, name = LINES[line].partition(":")
    bench = Bench(result.parent / "files", repeats, cores)
    bench.folder.mkdir()
    found: dict[str, Any]
    try:
        rows: list[Row] = getattr(importlib.import_module(f"benchmarks.{module}"), name)(bench)
        found = {"rows": [asdict(row) for row in rows]}
    except Skipped as reason:
        found = {"skipped": str(reason)}
    result.write_text(json.dumps(found, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
