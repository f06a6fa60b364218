"""Rule report_quality: every recording and every dropped window, with its reason."""

from comodo.clips.quality import report_quality, summarise_quality
from comodo.jobs.log import job_log
from comodo.storage.artefacts import read_table, read_tables
from comodo.storage.files import atomic
from comodo.text import for_people

with job_log(snakemake.log[0]) as log:
    quality = report_quality(read_table(snakemake.input.recordings), read_tables(snakemake.input.shards))
    log.info("%s", summarise_quality(quality))
    with atomic(snakemake.output.quality) as partial:
        for_people(quality).to_csv(partial, index=False)
