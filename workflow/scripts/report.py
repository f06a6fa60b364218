"""Rule report: tables and figures of everything that was measured."""

from pathlib import Path

from comodo.jobs.log import job_log
from comodo.report.published import write_published
from comodo.report.write import write_report

with job_log(snakemake.log[0]):
    folder = Path(snakemake.output.accuracy).parent
    accuracy = write_report(
        Path("results"),
        snakemake.params.runs,
        snakemake.params.experiments,
        snakemake.params.baselines,
        [Path(path) for path in snakemake.input.histories],
        folder,
    )
    if snakemake.params.candidates:
        write_published(accuracy, snakemake.params.candidates, snakemake.input.published, folder)
