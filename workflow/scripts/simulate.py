"""Rule simulate: write a paired dataset in the Ego4D layout."""

from pathlib import Path

from comodo.config import SimulateSettings
from comodo.jobs.log import job_log
from comodo.simulate.dataset import write_dataset

with job_log(snakemake.log[0]):
    write_dataset(
        settings=SimulateSettings.model_validate(snakemake.params.settings["simulate"]),
        root=Path(snakemake.params.settings["root"]),
        marker=Path(snakemake.output.marker),
        workers=snakemake.threads,
    )
