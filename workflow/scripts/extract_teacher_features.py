"""Rule extract_teacher_features: the teacher itself as an encoder to be measured."""

from pathlib import Path

from comodo.evaluate.features import extract_teacher_features
from comodo.jobs.log import job_log
from comodo.storage.artefacts import read_table

with job_log(snakemake.log[0]):
    extract_teacher_features(
        store=Path(snakemake.input.store),
        windows=read_table(snakemake.input.clips),
        anchors=Path(snakemake.input.anchors),
        target=Path(snakemake.output.features),
    )
