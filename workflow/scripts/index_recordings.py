"""Rule index_recordings: what was asked for, whether it can be read or not; what test shares with train is said."""

import logging
from pathlib import Path

from comodo.config import DatasetSettings
from comodo.jobs.log import job_log
from comodo.recordings.index import index_recordings
from comodo.recordings.leaks import find_leaks
from comodo.recordings.raw import recordings_of
from comodo.storage.artefacts import write_table

with job_log(snakemake.log[0]) as log:
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    recordings = recordings_of(snakemake.wildcards.dataset, settings)
    write_table(index_recordings(recordings, settings.shards), Path(snakemake.output.recordings))
    leaks = find_leaks((r.id, r.split, r.group) for r in recordings)
    log.log(logging.WARNING if leaks else logging.INFO, "%s: %s", snakemake.wildcards.dataset, leaks)
