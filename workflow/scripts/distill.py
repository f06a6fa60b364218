"""Rule distill: train a student, or take it as it is (objective none)."""

from pathlib import Path

from comodo.config import ExperimentSettings, StudentSettings
from comodo.distill.experiment import distill
from comodo.jobs.log import job_log, optional_path
from comodo.storage.artefacts import read_table

with job_log(snakemake.log[0]):
    distill(
        settings=ExperimentSettings.model_validate(snakemake.params.settings),
        student_settings=StudentSettings.model_validate(snakemake.params.student),
        seed=int(snakemake.wildcards.seed),
        windows=read_table(snakemake.input.clips),
        imu=[Path(path) for path in snakemake.input.imu],
        store=optional_path(snakemake.input.store),
        anchors=optional_path(snakemake.input.anchors),
        state=Path(snakemake.params.state),
        folder=Path(snakemake.output.student),
        history=Path(snakemake.output.history),
        threads=snakemake.threads,
        config=snakemake.params.description,
    )
