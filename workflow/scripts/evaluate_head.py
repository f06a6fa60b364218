"""Rule evaluate_head: accuracy of a supervised student's own classifier."""

from pathlib import Path

from comodo.config import EvaluationSettings
from comodo.evaluate.head import score_head
from comodo.evaluate.results import write_scores
from comodo.jobs.log import job_log

with job_log(snakemake.log[0]):
    settings = EvaluationSettings.model_validate(snakemake.params.settings)
    scores = score_head(Path(snakemake.input.features), settings, snakemake.threads)
    write_scores(scores, Path(snakemake.output.scores))
