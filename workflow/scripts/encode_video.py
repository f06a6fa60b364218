"""Rule encode_video: one shard seen by a teacher."""

from pathlib import Path

import pandas as pd

from comodo.config import TeacherSettings
from comodo.encoding import encode_shard
from comodo.jobs import job_log

with job_log(snakemake.log[0]):
    encode_shard(
        clips=pd.read_parquet(snakemake.input.clips),
        video=Path(snakemake.input.video),
        settings=TeacherSettings.model_validate(snakemake.params.settings),
        made=next(map(Path, snakemake.input.get("teacher", [])), None),
        store=Path(snakemake.output.store),
        threads=snakemake.threads,
    )
