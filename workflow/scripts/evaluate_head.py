"""Rule evaluate_head: accuracy of a supervised student's own classifier."""

from pathlib import Path

from comodo.evaluate.head import score_head
from comodo.jobs.log import job_log
from comodo.storage.files import write_json

with job_log(snakemake.log[0]):
    scores = score_head(Path(snakemake.input.features), snakemake.params.labels_per_class)
    write_json(scores, Path(snakemake.output.scores))
