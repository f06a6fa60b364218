"""Rule merge_embeddings: the shards of a teacher become one embedding store."""

from pathlib import Path

from comodo.artefacts import read_table
from comodo.jobs import job_log
from comodo.store import merge_stores

with job_log(snakemake.log[0]):
    clips = read_table(snakemake.input.clips)
    merge_stores(Path(snakemake.output.store), map(Path, snakemake.input.shards), clips[clips["paired"]])
