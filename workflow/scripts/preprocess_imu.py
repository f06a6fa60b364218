"""Rule preprocess_imu: raw IMU of one shard becomes a signal on one clock."""

from pathlib import Path

from comodo.config import DatasetSettings
from comodo.jobs.log import job_log
from comodo.recordings.imu_shard import preprocess_shard
from comodo.recordings.raw_files import recordings_of

with job_log(snakemake.log[0]):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    preprocess_shard(
        dataset=snakemake.wildcards.dataset,
        settings=settings,
        recordings=recordings_of(snakemake.wildcards.dataset, settings, int(snakemake.wildcards.shard)),
        target=Path(snakemake.output.imu),
    )
