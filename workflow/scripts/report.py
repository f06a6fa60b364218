"""Rule report: tables and figures of everything that was measured."""

from pathlib import Path

from comodo.jobs import job_log
from comodo.report import write_report

with job_log(snakemake.log[0]):
    write_report(
        Path("results"),
        snakemake.params.runs,
        snakemake.params.experiments,
        [Path(path) for path in snakemake.input.histories],
        Path(snakemake.output.accuracy).parent,
    )
