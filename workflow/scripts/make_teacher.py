"""Rule make_teacher: write a small teacher as a `from_pretrained` folder."""

from pathlib import Path

from comodo.config import TeacherSettings
from comodo.jobs.log import job_log
from comodo.simulate.teacher import pretrain_teacher

with job_log(snakemake.log[0]):
    settings = TeacherSettings.model_validate(snakemake.params.settings)
    pretrain_teacher(settings, Path(snakemake.output.folder), workers=snakemake.threads)
