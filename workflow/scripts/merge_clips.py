"""Rule merge_clips: the windows of a dataset, unless too much of it was lost."""

from pathlib import Path

from comodo.clips.quality import merge_clips
from comodo.jobs.log import job_log
from comodo.storage.artefacts import write_table

with job_log(snakemake.log[0]):
    windows = merge_clips(
        recordings=Path(snakemake.input.recordings),
        quality=Path(snakemake.input.quality),
        shards=[Path(path) for path in snakemake.input.shards],
        max_bad_fraction=snakemake.params.allowed,
        dataset=snakemake.wildcards.dataset,
        score_windows=snakemake.params.score_windows,
    )
    write_table(windows, Path(snakemake.output.clips))
