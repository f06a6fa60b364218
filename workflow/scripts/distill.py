"""Rule distill: train a student, or take it as it is (objective none)."""

from pathlib import Path

import pandas as pd

from comodo.config import ExperimentSettings, StudentSettings
from comodo.distillation import distill
from comodo.jobs import job_log

with job_log(snakemake.log[0]):
    distill(
        settings=ExperimentSettings.model_validate(snakemake.params.settings),
        student_settings=StudentSettings.model_validate(snakemake.params.student),
        seed=int(snakemake.wildcards.seed),
        clips=pd.read_parquet(snakemake.input.clips),
        imu=[Path(path) for path in snakemake.input.imu],
        store=Path(snakemake.input.store),
        anchors=Path(snakemake.input.anchors),
        state=Path(snakemake.params.state),
        folder=Path(snakemake.output.student),
        history=Path(snakemake.output.history),
        threads=snakemake.threads,
    )
