"""Rule fetch_splits: the published split files of one dataset, SHA-256 checked."""

from pathlib import Path

from comodo.jobs.log import job_log
from comodo.recordings.published_splits import PUBLISHED, fetch

with job_log(snakemake.log[0]):
    names = {folder: name for name, (folder, _) in PUBLISHED.items()}
    fetch(names[snakemake.wildcards.published], Path(snakemake.output.train).parent)
