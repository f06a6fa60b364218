"""Rule report_quality: every recording and every dropped window, with its reason."""

import pandas as pd

from comodo.files import atomic
from comodo.jobs import job_log
from comodo.preparation import read_tables, report_quality, summarise_quality

with job_log(snakemake.log[0]) as log:
    quality = report_quality(pd.read_parquet(snakemake.input.recordings), read_tables(snakemake.input.shards))
    log.info("%s", summarise_quality(quality))
    with atomic(snakemake.output.quality) as partial:
        quality.to_csv(partial, index=False)
