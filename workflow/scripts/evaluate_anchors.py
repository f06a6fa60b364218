"""Rule evaluate_anchors: zero-shot accuracy by the nearest anchor."""

from pathlib import Path

from comodo.config import EvaluationSettings
from comodo.evaluate.anchors import score_anchors
from comodo.evaluate.results import write_scores
from comodo.jobs.log import job_log

with job_log(snakemake.log[0]):
    scores = score_anchors(Path(snakemake.input.features), EvaluationSettings(), snakemake.threads)
    write_scores(scores, Path(snakemake.output.scores))
