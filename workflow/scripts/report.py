"""Rule report: tables and figures of everything that was measured."""

from pathlib import Path

from comodo.jobs.log import job_log, optional_path
from comodo.report.write import write_report

with job_log(snakemake.log[0]):
    write_report(
        results=Path("results"),
        runs=snakemake.params.runs,
        histories=snakemake.params.histories,
        folder=Path(snakemake.output.accuracy).parent,
        baselines=snakemake.params.baselines,
        candidates=snakemake.params.candidates,
        published=optional_path(snakemake.input.published),
        quality=[Path(path) for path in snakemake.input.quality],
        recordings=snakemake.params.recordings,
        sync=[Path(path) for path in snakemake.input.sync],
        costs=snakemake.params.costs,
        config=snakemake.params.config,
        project=Path(snakemake.params.project),
    )
