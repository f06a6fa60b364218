"""Rule extract_teacher_features: the teacher itself as an encoder to be measured."""

from pathlib import Path

from comodo.evaluate.features import extract_teacher_features
from comodo.jobs.log import job_log

with job_log(snakemake.log[0]):
    extract_teacher_features(
        Path(snakemake.input.store), Path(snakemake.input.anchors), Path(snakemake.output.features)
    )
