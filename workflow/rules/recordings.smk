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
        settings=dataset_settings("shards"),
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
    params:
        version=VERSIONS["extract_clips"],
        settings=dataset_settings("shards", "video", "clip_s"),
        raw=of_raw(raw_state),
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
