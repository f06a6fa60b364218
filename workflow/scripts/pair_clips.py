"""Rule pair_clips: clips and IMU windows of one shard become pairs."""

from pathlib import Path

from comodo.clips.pairing import pair_shard
from comodo.config import DatasetSettings
from comodo.jobs.log import job_log
from comodo.recordings.raw import recordings_of
from comodo.storage.artefacts import write_table

with job_log(snakemake.log[0]):
    shard = int(snakemake.wildcards.shard)
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    recordings = recordings_of(snakemake.wildcards.dataset, settings, shard)
    video = Path(snakemake.input.video) if settings.video is not None else None
    table = pair_shard(recordings, shard, video, Path(snakemake.input.imu), settings)
    write_table(table, Path(snakemake.output.clips))
