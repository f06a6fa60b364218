# Export: the student of a run as a folder to share, with figures, model card and ONNX graphs, and its cost.

EXPORTS = {
    f"results/experiments/{experiment}/{fold}seed{seed}/cost.json": experiment
    for experiment, settings in EXPERIMENTS.items()
    if CONFIG.export
    for fold in fold_folders(settings.dataset)
    for seed in CONFIG.seeds
}


rule export:
    input:
        student="results/experiments/{experiment}/{fold}seed{seed}/student",
        clips=of_experiment("results/{dataset}/{fold}clips.parquet"),
        imu=imu_of_experiment,
        scores=scores_of_experiment,
    output:
        folder=directory("results/experiments/{experiment}/{fold}seed{seed}/export"),
        cost="results/experiments/{experiment}/{fold}seed{seed}/cost.json",
    log:
        "results/logs/export/{experiment}-{fold}seed{seed}.log",
    benchmark:
        "results/benchmarks/export/{experiment}-{fold}seed{seed}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        version=VERSIONS["export"],
        formats=list(CONFIG.export),
        license_id=CONFIG.license,
        dataset=lambda wildcards: EXPERIMENTS[wildcards.experiment].dataset,
        student_class=lambda wildcards: student_of(wildcards).class_path,
    message:
        "Exporting {wildcards.experiment}, {wildcards.fold}seed {wildcards.seed}"
    script:
        "../scripts/export.py"
