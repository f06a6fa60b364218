# Evaluation: frozen features, an SVM on all or few labels, and the nearest anchor.
# `run` is what is measured: experiments/<experiment>/seed<seed>/<dataset>, or <dataset>/teachers/<teacher>;
# with a folder fold<number>/ before the last two parts for each fold of a dataset with folds.


rule extract_features:
    input:
        student=student_of_run,
        clips=clips_of_evaluation,
        imu=of_shards("results/{dataset}/imu/{shard}.h5"),
        anchors=anchors_of_evaluation,
    output:
        features="results/experiments/{experiment}/{fold}seed{seed}/{dataset}/features.h5",
    log:
        "results/logs/extract_features/{experiment}-{fold}seed{seed}-{dataset}.log",
    benchmark:
        "results/benchmarks/extract_features/{experiment}-{fold}seed{seed}-{dataset}.tsv"
    threads: 4
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=1,
    params:
        version=VERSIONS["extract_features"],
        # checked by the job; a function of `input` is no rerun trigger
        expected=lambda wildcards, input: CONFIG.trained_by(
            wildcards.experiment, int(wildcards.seed), fold_number(wildcards, input)
        ),
        student_class=lambda wildcards, input: student_of(wildcards).class_path,
    message:
        "Extracting features of {wildcards.dataset} by {wildcards.experiment}, {wildcards.fold}seed {wildcards.seed}"
    script:
        "../scripts/extract_features.py"


rule extract_teacher_features:
    input:
        store="results/{dataset}/teachers/{teacher}/embeddings.h5",
        clips="results/{dataset}/{fold}clips.parquet",
        anchors="results/{dataset}/{fold}teachers/{teacher}/anchors.h5",
    output:
        features="results/{dataset}/{fold}teachers/{teacher}/features.h5",
    log:
        "results/logs/extract_teacher_features/{dataset}-{fold}{teacher}.log",
    benchmark:
        "results/benchmarks/extract_teacher_features/{dataset}-{fold}{teacher}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["extract_features"],
    message:
        "Taking the features of {wildcards.dataset} from {wildcards.teacher} itself"
    script:
        "../scripts/extract_teacher_features.py"


rule evaluate_anchors:
    input:
        features="results/{run}/features.h5",
    output:
        scores="results/{run}/anchors.json",
    log:
        "results/logs/evaluate_anchors/{run}.log",
    benchmark:
        "results/benchmarks/evaluate_anchors/{run}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        version=VERSIONS["evaluate_anchors"],
    message:
        "Scoring {wildcards.run} by the nearest anchor"
    script:
        "../scripts/evaluate_anchors.py"


rule evaluate_head:
    input:
        features="results/experiments/{experiment}/{run}/features.h5",
    output:
        scores="results/experiments/{experiment}/{run}/head.json",
    log:
        "results/logs/evaluate_head/{experiment}/{run}.log",
    benchmark:
        "results/benchmarks/evaluate_head/{experiment}/{run}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        version=VERSIONS["evaluate_head"],
        settings=trained_labels,
    message:
        "Scoring {wildcards.experiment} by its own classifier"
    script:
        "../scripts/evaluate_head.py"


rule evaluate_svm:
    input:
        features="results/{run}/features.h5",
    output:
        scores="results/{run}/svm.json",
    log:
        "results/logs/evaluate_svm/{run}.log",
    benchmark:
        "results/benchmarks/evaluate_svm/{run}.tsv"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=240,
    params:
        version=VERSIONS["evaluate_svm"],
        settings=CONFIG.evaluation.model_dump(mode="json", exclude={"score_windows"}),
    message:
        "Scoring {wildcards.run} by an SVM"
    script:
        "../scripts/evaluate_svm.py"
