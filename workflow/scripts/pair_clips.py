"""Rule pair_clips: clips and IMU windows of one shard become pairs."""

from pathlib import Path

from comodo.clips.shard import pair_shard
from comodo.config import DatasetSettings
from comodo.jobs.log import job_log, optional_path
from comodo.recordings.raw_files import recordings_of
from comodo.storage.artefacts import write_table

with job_log(snakemake.log[0]):
    shard = int(snakemake.wildcards.shard)
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    candidates = pair_shard(
        recordings=recordings_of(snakemake.wildcards.dataset, settings, shard),
        shard=shard,
        video=optional_path(snakemake.input.video),
        imu=Path(snakemake.input.imu),
        settings=settings,
        sync=optional_path(snakemake.input.sync),
    )
    write_table(candidates, Path(snakemake.output.clips))
