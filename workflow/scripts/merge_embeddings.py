"""Rule merge_embeddings: the shards of a teacher become one embedding store."""

from pathlib import Path

from comodo.embeddings.store import merge_stores
from comodo.jobs.log import job_log
from comodo.storage.artefacts import read_table

with job_log(snakemake.log[0]):
    clips = read_table(snakemake.input.clips)
    merge_stores(Path(snakemake.output.store), map(Path, snakemake.input.shards), clips[clips["paired"]])
