"""Rule export: a student to share and use, with figures, model card and ONNX graphs."""

from pathlib import Path

from comodo.deploy.package import write_package
from comodo.jobs.log import job_log
from comodo.storage.artefacts import read_table

with job_log(snakemake.log[0]):
    write_package(
        student=Path(snakemake.input.student),
        windows=read_table(snakemake.input.clips),
        imu=[Path(path) for path in snakemake.input.imu],
        scores={Path(path).stem: Path(path) for path in snakemake.input.scores},
        dataset=snakemake.params.dataset,
        formats=snakemake.params.formats,
        folder=Path(snakemake.output.folder),
        cost=Path(snakemake.output.cost),
        student_class=snakemake.params.student_class,
        license_id=snakemake.params.license_id,
    )
