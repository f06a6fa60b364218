"""Rule pair_clips: clips and IMU windows of one shard become pairs."""

from pathlib import Path

from comodo.config import DatasetSettings
from comodo.jobs import job_log
from comodo.preparation import pair_shard, write_table
from comodo.raw import recordings_of

with job_log(snakemake.log[0]):
    shard = int(snakemake.wildcards.shard)
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    recordings = recordings_of(snakemake.wildcards.dataset, settings, shard)
    table = pair_shard(recordings, shard, Path(snakemake.input.video), Path(snakemake.input.imu), settings)
    write_table(table, Path(snakemake.output.clips))
