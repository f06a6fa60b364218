# Distillation: train a student on the lesson of its objective.


rule distill:
    input:
        store=of_experiment("results/{dataset}/teachers/{teacher}/embeddings.h5"),
        anchors=of_experiment("results/{dataset}/{fold}teachers/{teacher}/anchors.h5"),
        clips=of_experiment("results/{dataset}/{fold}clips.parquet"),
        imu=imu_of_experiment,
    output:
        student=directory("results/experiments/{experiment}/{fold}seed{seed}/student"),
        history="results/experiments/{experiment}/{fold}seed{seed}/history.json",
    log:
        "results/logs/distill/{experiment}-{fold}seed{seed}.log",
    benchmark:
        "results/benchmarks/distill/{experiment}-{fold}seed{seed}.tsv"
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
        description=description,
        state="results/experiments/{experiment}/{fold}seed{seed}/state",
    message:
        "Distilling {wildcards.experiment}, {wildcards.fold}seed {wildcards.seed}"
    script:
        "../scripts/distill.py"
