# Distillation: train a student on the lesson of its objective.


rule distill:
    input:
        store=of_experiment("results/{dataset}/teachers/{teacher}/embeddings.h5"),
        anchors=of_experiment("results/{dataset}/teachers/{teacher}/anchors.h5"),
        clips=of_experiment("results/{dataset}/clips.parquet"),
        imu=imu_of_experiment,
    output:
        student=directory("results/experiments/{experiment}/seed{seed}/student"),
        history="results/experiments/{experiment}/seed{seed}/history.json",
    log:
        "results/logs/distill/{experiment}-seed{seed}.log",
    benchmark:
        "results/benchmarks/distill/{experiment}-seed{seed}.tsv"
    threads: 4
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=1,
    params:
        version=VERSIONS["distill"],
        settings=lambda wildcards: SETTINGS[wildcards.experiment],
        student=lambda wildcards: student_of(wildcards).used(),
        checkpoint=trained_code,
        state="results/experiments/{experiment}/seed{seed}/state",
    message:
        "Distilling {wildcards.experiment}, seed {wildcards.seed}"
    script:
        "../scripts/distill.py"
