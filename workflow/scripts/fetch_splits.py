"""Rule fetch_splits: the published split files of one dataset, SHA-256 checked."""

from pathlib import Path

from comodo.jobs.log import job_log
from comodo.recordings.published_splits import fetch_into

with job_log(snakemake.log[0]):
    fetch_into(Path(snakemake.output.train).parent)
