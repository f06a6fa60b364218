"""Rule merge_clips: the clip table of a dataset, unless too much of it was lost."""

from pathlib import Path

import pandas as pd

from comodo.clips.quality import check_quality
from comodo.clips.tables import merge_clips
from comodo.jobs.log import job_log
from comodo.storage.artefacts import read_table, read_tables, write_table

with job_log(snakemake.log[0]):
    quality = pd.read_csv(snakemake.input.quality, keep_default_na=False)
    check_quality(quality, snakemake.params.max_bad_fraction, snakemake.wildcards.dataset)
    recordings = read_table(snakemake.input.recordings)
    write_table(merge_clips(recordings, read_tables(snakemake.input.shards)), Path(snakemake.output.clips))
