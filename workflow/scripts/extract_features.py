"""Rule extract_features: frozen features of train and test windows."""

from pathlib import Path

import pandas as pd

from comodo.features import extract_features
from comodo.jobs import job_log

with job_log(snakemake.log[0]):
    extract_features(
        student=Path(snakemake.input.student),
        clips=pd.read_parquet(snakemake.input.clips),
        imu=[Path(path) for path in snakemake.input.imu],
        anchors=Path(snakemake.input.anchors),
        target=Path(snakemake.output.features),
        threads=snakemake.threads,
    )
