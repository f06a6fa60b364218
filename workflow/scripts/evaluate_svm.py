"""Rule evaluate_svm: accuracy of an SVM on frozen features."""

from pathlib import Path

from comodo.config import EvaluationSettings
from comodo.evaluation import score_svm
from comodo.files import write_json
from comodo.jobs import job_log

with job_log(snakemake.log[0]):
    settings = EvaluationSettings.model_validate(snakemake.params.settings)
    scores = score_svm(Path(snakemake.input.features), settings, snakemake.threads)
    write_json(scores, Path(snakemake.output.scores))
