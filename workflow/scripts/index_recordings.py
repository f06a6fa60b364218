"""Rule index_recordings: all listed recordings, readable or not."""

from pathlib import Path

from comodo.config import DatasetSettings
from comodo.jobs.log import job_log
from comodo.recordings.index import write_index

with job_log(snakemake.log[0]):
    write_index(
        dataset=snakemake.wildcards.dataset,
        settings=DatasetSettings.model_validate(snakemake.params.settings),
        target=Path(snakemake.output.recordings),
    )
