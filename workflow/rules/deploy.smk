# What students are for: a folder to share with figures, model card, ONNX graphs and cost (export), and the classes of
# recordings without labels (predict).

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


rule predict:
    input:
        student="results/experiments/{experiment}/{fold}seed{seed}/student",
    output:
        predictions="results/experiments/{experiment}/{fold}seed{seed}/predictions/{shard}.parquet",
    log:
        "results/logs/predict/{experiment}-{fold}seed{seed}-{shard}.log",
    benchmark:
        "results/benchmarks/predict/{experiment}-{fold}seed{seed}-{shard}.tsv"
    threads: 4
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=1,
    params:
        version=VERSIONS["predict"],
        dataset=lambda wildcards: EXPERIMENTS[wildcards.experiment].dataset,
        settings=lambda wildcards: used_settings(
            EXPERIMENTS[wildcards.experiment].dataset, "shards", "video", "imu", "alignment"
        ),
        raw=predicted_raw,
        student_class=lambda wildcards, input: student_of(wildcards).class_path,
    message:
        "Classifying recordings by {wildcards.experiment}, {wildcards.fold}seed {wildcards.seed}, "
        "shard {wildcards.shard}"
    script:
        "../scripts/predict.py"


rule merge_predictions:
    input:
        shards=predictions_of_run,
    output:
        predictions="results/experiments/{experiment}/{fold}seed{seed}/predictions.csv",
    log:
        "results/logs/merge_predictions/{experiment}-{fold}seed{seed}.log",
    benchmark:
        "results/benchmarks/merge_predictions/{experiment}-{fold}seed{seed}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        version=VERSIONS["predict"],
        raw=all_predicted_raw,
    message:
        "Merging the predictions of {wildcards.experiment}, {wildcards.fold}seed {wildcards.seed}"
    script:
        "../scripts/merge_predictions.py"
