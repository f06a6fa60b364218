"""Rule assign_fold: the windows of a dataset with the splits of one fold."""

from pathlib import Path

from comodo.jobs.log import job_log
from comodo.recordings.folds import fold_windows
from comodo.recordings.index import read_groups
from comodo.storage.artefacts import read_table, write_table

with job_log(snakemake.log[0]):
    windows = fold_windows(
        windows=read_table(snakemake.input.clips),
        groups=read_groups(Path(snakemake.input.recordings)),
        folds=snakemake.params.folds,
        fold=int(snakemake.wildcards.number),
    )
    write_table(windows, Path(snakemake.output.clips))
