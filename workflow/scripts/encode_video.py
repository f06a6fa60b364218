"""Rule encode_video: one shard seen by a teacher."""

from pathlib import Path

from comodo.artefacts import read_table
from comodo.config import TeacherSettings
from comodo.encoding import encode_shard
from comodo.jobs import job_log, optional_path

with job_log(snakemake.log[0]):
    encode_shard(
        clips=read_table(snakemake.input.clips),
        video=Path(snakemake.input.video),
        settings=TeacherSettings.model_validate(snakemake.params.settings),
        made=optional_path(snakemake.input.teacher),
        store=Path(snakemake.output.store),
        threads=snakemake.threads,
    )
