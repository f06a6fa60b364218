"""Rule simulate: write a paired dataset in the Ego4D layout."""

from pathlib import Path

from comodo.config import DatasetSettings
from comodo.jobs.log import job_log
from comodo.simulate.dataset import write_dataset

with job_log(snakemake.log[0]):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    write_dataset(settings.simulate, Path(settings.root), Path(snakemake.output.marker), snakemake.threads)
