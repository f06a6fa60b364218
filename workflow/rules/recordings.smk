# Raw recordings, shard by shard: what was asked for, small video, resampled IMU.


rule index_recordings:
    input:
        simulated=simulated,
    output:
        recordings="results/{dataset}/recordings.parquet",
    log:
        "results/logs/index_recordings/{dataset}.log",
    benchmark:
        "results/benchmarks/index_recordings/{dataset}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=VERSIONS["index_recordings"],
        settings=dataset_settings("shards", "groups"),
        recordings=of_raw(labelled_state),
    message:
        "Listing the recordings of {wildcards.dataset}"
    script:
        "../scripts/index_recordings.py"


rule extract_clips:
    input:
        simulated=simulated,
    output:
        clips=directory("results/{dataset}/video/{shard}"),
        table="results/{dataset}/video/{shard}.parquet",
    log:
        "results/logs/extract_clips/{dataset}-{shard}.log",
    benchmark:
        "results/benchmarks/extract_clips/{dataset}-{shard}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=1500,
        runtime=720,
        gpu=lambda wildcards: int(hwaccel(wildcards) != "none"),
    params:
        version=VERSIONS["extract_clips"],
        settings=dataset_settings("shards", "video", "clip_s"),
        raw=of_raw(raw_state),
        hwaccel=lambda wildcards, input: hwaccel(wildcards),  # no rerun trigger: the pictures are the same
    message:
        "Extracting small video of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/extract_clips.py"


rule preprocess_imu:
    input:
        simulated=simulated,
    output:
        imu="results/{dataset}/imu/{shard}.h5",
    log:
        "results/logs/preprocess_imu/{dataset}-{shard}.log",
    benchmark:
        "results/benchmarks/preprocess_imu/{dataset}-{shard}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        version=VERSIONS["preprocess_imu"],
        settings=dataset_settings("shards", "imu", "alignment"),
        raw=of_raw(imu_state),
    message:
        "Resampling the IMU of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/preprocess_imu.py"


# Are video and IMU in step? Nothing but the report depends on it, unless `sync: correct`.
rule estimate_sync:
    input:
        video="results/{dataset}/video/{shard}.parquet",
        small="results/{dataset}/video/{shard}",
        imu="results/{dataset}/imu/{shard}.h5",
    output:
        sync="results/{dataset}/sync/{shard}.parquet",
    log:
        "results/logs/estimate_sync/{dataset}-{shard}.log",
    benchmark:
        "results/benchmarks/estimate_sync/{dataset}-{shard}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        version=VERSIONS["estimate_sync"],
        settings=dataset_settings("shards", "video", "imu"),
    message:
        "Comparing video and IMU of {wildcards.dataset}, shard {wildcards.shard}"
    script:
        "../scripts/estimate_sync.py"


rule merge_sync:
    input:
        shards=of_shards("results/{dataset}/sync/{shard}.parquet"),
    output:
        sync=report(
            "results/{dataset}/sync.csv",
            category="Quality",
            caption="../report/sync.rst",
            labels={"dataset": "{dataset}"},
        ),
    log:
        "results/logs/merge_sync/{dataset}.log",
    benchmark:
        "results/benchmarks/merge_sync/{dataset}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=VERSIONS["estimate_sync"],
    message:
        "Merging the sync of {wildcards.dataset}"
    script:
        "../scripts/merge_sync.py"
