"""Rule merge_embeddings: the shards of a teacher become one embedding store."""

from pathlib import Path

import pandas as pd

from comodo.jobs import job_log
from comodo.store import merge_stores

with job_log(snakemake.log[0]):
    clips = pd.read_parquet(snakemake.input.clips)
    merge_stores(Path(snakemake.output.store), map(Path, snakemake.input.shards), clips[clips["paired"]])
