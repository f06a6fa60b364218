"""Rule encode_video: one shard encoded by a teacher."""

from pathlib import Path

from comodo.config import TeacherSettings
from comodo.embeddings.encode import encode_shard
from comodo.jobs.log import job_log, optional_path
from comodo.storage.artefacts import read_table

with job_log(snakemake.log[0]):
    encode_shard(
        candidates=read_table(snakemake.input.clips),
        video=Path(snakemake.input.video),
        settings=TeacherSettings.model_validate(snakemake.params.settings | snakemake.params.job),
        made=optional_path(snakemake.input.teacher),
        store=Path(snakemake.output.store),
        threads=snakemake.threads,
    )
