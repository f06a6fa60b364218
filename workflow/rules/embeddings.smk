# Teacher embeddings: every clip is encoded once, for every experiment.


rule encode_video:
    input:
        teacher=made_teacher,
        clips="results/{dataset}/clips/{shard}.parquet",
        video="results/{dataset}/video/{shard}",
    output:
        # kept until the job decides: a store of the same pairs and teacher is not encoded again
        store=update("results/{dataset}/teachers/{teacher}/shards/{shard}.h5"),
    log:
        "results/logs/encode_video/{dataset}-{teacher}-{shard}.log",
    benchmark:
        "results/benchmarks/encode_video/{dataset}-{teacher}-{shard}.tsv"
    threads: 8  # at most: they decode ahead of the teacher
    resources:
        mem_mb=4000,
        runtime=720,
        gpu=1,
    params:
        version=VERSIONS["encode_video"],
        settings=lambda wildcards: teacher_of(wildcards).embedding_settings(),
        # a function of `input` is no rerun trigger: embeddings do not depend on how they are computed, pretraining is an input
        job=lambda wildcards, input: teacher_of(wildcards).job_settings(),
        checkpoint=lambda wildcards: model_state(teacher_of(wildcards)),
    message:
        "Encoding {wildcards.dataset}, shard {wildcards.shard}, with {wildcards.teacher}"
    script:
        "../scripts/encode_video.py"


rule merge_embeddings:
    input:
        clips="results/{dataset}/clips.parquet",
        shards=of_shards("results/{dataset}/teachers/{teacher}/shards/{shard}.h5"),
    output:
        store="results/{dataset}/teachers/{teacher}/embeddings.h5",
    log:
        "results/logs/merge_embeddings/{dataset}-{teacher}.log",
    benchmark:
        "results/benchmarks/merge_embeddings/{dataset}-{teacher}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        version=VERSIONS["merge_embeddings"],
        strict=lambda wildcards, input: CONFIG.strict,  # checked by the job; no rerun trigger
    message:
        "Merging the embeddings of {wildcards.dataset} by {wildcards.teacher}"
    script:
        "../scripts/merge_embeddings.py"


rule select_anchors:
    input:
        store="results/{dataset}/teachers/{teacher}/embeddings.h5",
    output:
        anchors="results/{dataset}/teachers/{teacher}/anchors.h5",
    log:
        "results/logs/select_anchors/{dataset}-{teacher}.log",
    benchmark:
        "results/benchmarks/select_anchors/{dataset}-{teacher}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        version=VERSIONS["select_anchors"],
    message:
        "Selecting the anchors of {wildcards.dataset} in the space of {wildcards.teacher}"
    script:
        "../scripts/select_anchors.py"


# Apart from select_anchors: another input or script of that rule would select, and distil, again what earlier versions made.
rule select_fold_anchors:
    input:
        store="results/{dataset}/teachers/{teacher}/embeddings.h5",
        clips="results/{dataset}/fold{number}/clips.parquet",
    output:
        anchors="results/{dataset}/fold{number}/teachers/{teacher}/anchors.h5",
    log:
        "results/logs/select_fold_anchors/{dataset}-{number}-{teacher}.log",
    benchmark:
        "results/benchmarks/select_fold_anchors/{dataset}-{number}-{teacher}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        version=VERSIONS["select_anchors"],
    message:
        "Selecting the anchors of fold {wildcards.number} of {wildcards.dataset} in the space of {wildcards.teacher}"
    script:
        "../scripts/select_fold_anchors.py"
