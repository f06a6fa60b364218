"""Rule merge_predictions: the predictions of all shards in one csv."""

from pathlib import Path

from comodo.deploy.unlabelled import merge_predictions
from comodo.jobs.log import job_log

with job_log(snakemake.log[0]):
    merge_predictions([Path(path) for path in snakemake.input.shards], Path(snakemake.output.predictions))
