"""Rule extract_clips: raw video of one shard becomes small video."""

from pathlib import Path

from comodo.config import DatasetSettings
from comodo.jobs.log import job_log
from comodo.recordings.raw import recordings_of
from comodo.recordings.small_video import extract_shard
from comodo.storage.artefacts import write_table
from comodo.storage.files import atomic

with job_log(snakemake.log[0]):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    recordings = recordings_of(snakemake.wildcards.dataset, settings, int(snakemake.wildcards.shard))
    with atomic(snakemake.output.clips) as folder:
        table = extract_shard(recordings, folder, settings, snakemake.threads)
    write_table(table, Path(snakemake.output.table))
