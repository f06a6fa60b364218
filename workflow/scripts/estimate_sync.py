"""Rule estimate_sync: the offset of each IMU of one shard against its video."""

from pathlib import Path

from comodo.config import DatasetSettings
from comodo.jobs.log import job_log
from comodo.recordings.raw_files import recordings_of
from comodo.recordings.sync_table import sync_shard
from comodo.storage.artefacts import write_table

with job_log(snakemake.log[0]):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    table = sync_shard(
        dataset=snakemake.wildcards.dataset,
        recordings=recordings_of(snakemake.wildcards.dataset, settings, int(snakemake.wildcards.shard)),
        video=Path(snakemake.input.video),
        imu=Path(snakemake.input.imu),
        settings=settings,
    )
    write_table(table, Path(snakemake.output.sync))
