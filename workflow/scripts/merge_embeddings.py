"""Rule merge_embeddings: the shards of a teacher become one embedding store."""

from pathlib import Path

from comodo.clips.tables import pairs_of
from comodo.embeddings.store import merge_stores
from comodo.jobs.log import job_log
from comodo.storage.artefacts import read_table

with job_log(snakemake.log[0]):
    merge_stores(
        path=Path(snakemake.output.store),
        shards=[Path(path) for path in snakemake.input.shards],
        pairs=pairs_of(read_table(snakemake.input.clips)),
        strict=snakemake.params.strict,
    )
