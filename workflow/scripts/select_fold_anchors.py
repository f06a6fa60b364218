"""Rule select_fold_anchors: one embedding per class from the val clips of a fold, by each rule."""

from pathlib import Path

from comodo.embeddings.anchors import select_anchors
from comodo.jobs.log import job_log

with job_log(snakemake.log[0]):
    select_anchors(
        store=Path(snakemake.input.store),
        target=Path(snakemake.output.anchors),
        clips=Path(snakemake.input.clips),
    )
