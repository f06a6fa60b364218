"""Rule extract_clips: raw video of one shard becomes small video."""

from pathlib import Path

from comodo.artefacts import write_table
from comodo.config import DatasetSettings
from comodo.files import atomic
from comodo.jobs import job_log
from comodo.preparation import extract_shard
from comodo.raw import recordings_of

with job_log(snakemake.log[0]):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    recordings = recordings_of(snakemake.wildcards.dataset, settings, int(snakemake.wildcards.shard))
    with atomic(snakemake.output.clips) as folder:
        table = extract_shard(recordings, folder, settings, snakemake.threads)
    write_table(table, Path(snakemake.output.table))
