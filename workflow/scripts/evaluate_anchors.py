"""Rule evaluate_anchors: zero-shot accuracy by the nearest anchor."""

from pathlib import Path

from comodo.evaluate.anchors import score_anchors
from comodo.jobs.log import job_log
from comodo.storage.files import write_json

with job_log(snakemake.log[0]):
    write_json(score_anchors(Path(snakemake.input.features)), Path(snakemake.output.scores))
