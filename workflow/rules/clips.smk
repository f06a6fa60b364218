# Clips and their IMU windows become pairs; what is no pair is reported with its reason.
# These jobs go first, so that a dataset in bad shape is refused before hours of encoding.


rule pair_clips:
    input:
        simulated=simulated,
        video=extracted,
        imu="results/{dataset}/imu/{shard}.h5",
        sync=corrected,
    output:
        clips="results/{dataset}/clips/{shard}.parquet",
    log:
        "results/logs/pair_clips/{dataset}-{shard}.log",
    benchmark:
        "results/benchmarks/pair_clips/{dataset}-{shard}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        version=VERSIONS["pair_clips"],
        settings=dataset_settings(
            "shards",
            "clip_s",
            "stride_s",
            "windows",
            "alignment",
            "clips_per_recording",
            "imu",
            "video",
        ),
        recordings=of_raw(labelled_state),
    message:
        "Pairing clips and IMU windows of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/pair_clips.py"


rule report_quality:
    input:
        recordings="results/{dataset}/recordings.parquet",
        shards=of_shards("results/{dataset}/clips/{shard}.parquet"),
        imu=of_shards("results/{dataset}/imu/{shard}.h5"),
    output:
        quality=report(
            "results/{dataset}/quality.csv",
            category="Quality",
            caption="../report/quality.rst",
            labels={"dataset": "{dataset}"},
        ),
    log:
        "results/logs/report_quality/{dataset}.log",
    benchmark:
        "results/benchmarks/report_quality/{dataset}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["report_quality"],
        score_windows=CONFIG.evaluation.score_windows,
    message:
        "Reporting the quality of {wildcards.dataset}"
    script:
        "../scripts/report_quality.py"


rule merge_clips:
    input:
        recordings="results/{dataset}/recordings.parquet",
        quality="results/{dataset}/quality.csv",
        shards=of_shards("results/{dataset}/clips/{shard}.parquet"),
    output:
        clips="results/{dataset}/clips.parquet",
    log:
        "results/logs/merge_clips/{dataset}.log",
    benchmark:
        "results/benchmarks/merge_clips/{dataset}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["merge_clips"],
        score_windows=CONFIG.evaluation.score_windows,
        # The default, as the first version recorded it; the limit itself reruns nothing (see check_accepted).
        max_bad_fraction=0.1,
        allowed=lambda wildcards, input: CONFIG.datasets[wildcards.dataset].max_bad_fraction,
    message:
        "Checking and merging the clips of {wildcards.dataset}"
    script:
        "../scripts/merge_clips.py"


# A fold is another split of the same windows: clips, IMU and embeddings are shared by all folds.
rule assign_fold:
    input:
        recordings="results/{dataset}/recordings.parquet",
        clips="results/{dataset}/clips.parquet",
    output:
        clips="results/{dataset}/fold{number}/clips.parquet",
    log:
        "results/logs/assign_fold/{dataset}-{number}.log",
    benchmark:
        "results/benchmarks/assign_fold/{dataset}-{number}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        version=VERSIONS["assign_fold"],
        folds=lambda wildcards: CONFIG.datasets[wildcards.dataset].folds.folds,
    message:
        "Assigning the windows of {wildcards.dataset} to the splits of fold {wildcards.number}"
    script:
        "../scripts/assign_fold.py"
