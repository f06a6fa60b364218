"""Rule index_recordings: what was asked for, whether it can be read or not; what test shares with train is said."""

import logging
from pathlib import Path

from comodo.artefacts import write_table
from comodo.config import DatasetSettings
from comodo.jobs import job_log
from comodo.preparation import index_recordings
from comodo.raw import recordings_of
from comodo.splits import find_leaks

with job_log(snakemake.log[0]) as log:
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    recordings = recordings_of(snakemake.wildcards.dataset, settings)
    write_table(index_recordings(recordings, settings.shards), Path(snakemake.output.recordings))
    leaks = find_leaks((r.id, r.split, r.group) for r in recordings)
    log.log(logging.WARNING if leaks else logging.INFO, "%s: %s", snakemake.wildcards.dataset, leaks)
