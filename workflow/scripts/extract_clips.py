"""Rule extract_clips: raw video of one shard becomes small video."""

from pathlib import Path

from comodo.config import DatasetSettings
from comodo.jobs.log import job_log
from comodo.recordings.raw_files import recordings_of
from comodo.recordings.small_video import extract_shard

with job_log(snakemake.log[0]):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    extract_shard(
        recordings=recordings_of(snakemake.wildcards.dataset, settings, int(snakemake.wildcards.shard)),
        folder=Path(snakemake.output.clips),
        table=Path(snakemake.output.table),
        settings=settings,
        threads=snakemake.threads,
        hwaccel=snakemake.params.hwaccel,
    )
