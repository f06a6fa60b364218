"""Rule evaluate_head: accuracy of a supervised student's own classifier."""

from pathlib import Path

from comodo.features import score_head
from comodo.files import write_json
from comodo.jobs import job_log

with job_log(snakemake.log[0]):
    scores = score_head(Path(snakemake.input.features), snakemake.params.labels_per_class)
    write_json(scores, Path(snakemake.output.scores))
