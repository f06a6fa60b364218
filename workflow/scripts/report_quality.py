"""Rule report_quality: every recording and every dropped window, with its reason."""

from pathlib import Path

from comodo.clips.quality import write_quality
from comodo.jobs.log import job_log

with job_log(snakemake.log[0]):
    write_quality(
        recordings=Path(snakemake.input.recordings),
        shards=[Path(path) for path in snakemake.input.shards],
        imu=[Path(path) for path in snakemake.input.imu],
        score_windows=snakemake.params.score_windows,
        target=Path(snakemake.output.quality),
    )
