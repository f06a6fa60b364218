"""Rule merge_sync: the sync of all shards of a dataset in one csv."""

from pathlib import Path

from comodo.jobs.log import job_log
from comodo.recordings.sync_table import merge_sync

with job_log(snakemake.log[0]):
    merge_sync([Path(path) for path in snakemake.input.shards], Path(snakemake.output.sync))
