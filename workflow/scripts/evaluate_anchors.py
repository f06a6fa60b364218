"""Rule evaluate_anchors: zero-shot accuracy by the nearest anchor."""

from pathlib import Path

from comodo.features import score_anchors
from comodo.files import write_json
from comodo.jobs import job_log

with job_log(snakemake.log[0]):
    write_json(score_anchors(Path(snakemake.input.features)), Path(snakemake.output.scores))
