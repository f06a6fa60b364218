"""Rule index_recordings: what was asked for, whether it can be read or not."""

from pathlib import Path

from comodo.config import DatasetSettings
from comodo.jobs import job_log
from comodo.preparation import index_recordings, write_table
from comodo.raw import recordings_of

with job_log(snakemake.log[0]):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    recordings = recordings_of(snakemake.wildcards.dataset, settings)
    write_table(index_recordings(recordings, settings.shards), Path(snakemake.output.recordings))
