"""Rule evaluate_svm: accuracy of an SVM on frozen features."""

from pathlib import Path

from comodo.config import EvaluationSettings
from comodo.evaluate.results import write_scores
from comodo.evaluate.svm import score_svm
from comodo.jobs.log import job_log

with job_log(snakemake.log[0]):
    settings = EvaluationSettings.model_validate(snakemake.params.settings)
    scores = score_svm(Path(snakemake.input.features), settings, snakemake.threads)
    write_scores(scores, Path(snakemake.output.scores))
