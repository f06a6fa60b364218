"""Rule select_anchors: one embedding per class, by each rule."""

from pathlib import Path

from comodo.embeddings.anchors import select_anchors
from comodo.jobs.log import job_log

with job_log(snakemake.log[0]):
    select_anchors(Path(snakemake.input.store), Path(snakemake.output.anchors))
