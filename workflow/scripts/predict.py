"""Rule predict: the classes of the recordings without labels of one shard."""

from pathlib import Path

from comodo.config import DatasetSettings
from comodo.deploy.unlabelled import predict_shard
from comodo.jobs.log import job_log
from comodo.recordings.raw_files import predicted_recordings

with job_log(snakemake.log[0]):
    dataset = snakemake.params.dataset
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    predict_shard(
        student=Path(snakemake.input.student),
        dataset=dataset,
        settings=settings,
        recordings=predicted_recordings(dataset, settings, int(snakemake.wildcards.shard)),
        target=Path(snakemake.output.predictions),
        threads=snakemake.threads,
        student_class=snakemake.params.student_class,
    )
