"""Rule extract_features: frozen features of train and test windows."""

from pathlib import Path

from comodo.evaluate.features import extract_features
from comodo.jobs.log import job_log, optional_path
from comodo.storage.artefacts import read_table

with job_log(snakemake.log[0]):
    extract_features(
        student=Path(snakemake.input.student),
        windows=read_table(snakemake.input.clips),
        imu=[Path(path) for path in snakemake.input.imu],
        anchors=optional_path(snakemake.input.anchors),
        target=Path(snakemake.output.features),
        threads=snakemake.threads,
        expected=snakemake.params.expected,
        student_class=snakemake.params.student_class,
    )
