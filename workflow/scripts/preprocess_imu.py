"""Rule preprocess_imu: raw IMU of one shard becomes a signal on one clock."""

from pathlib import Path

from comodo.config import DatasetSettings
from comodo.jobs.log import job_log
from comodo.recordings.imu_shard import preprocess_shard
from comodo.recordings.raw import recordings_of

with job_log(snakemake.log[0]):
    dataset = snakemake.wildcards.dataset
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    recordings = recordings_of(dataset, settings, int(snakemake.wildcards.shard))
    preprocess_shard(dataset, settings, recordings, Path(snakemake.output.imu))
