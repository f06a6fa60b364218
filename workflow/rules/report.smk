# Tables and figures of everything that was measured.

STUDENT_RUNS = expand(
    "experiments/{evaluation[0]}/seed{seed}/{evaluation[1]}",
    evaluation=EVALUATIONS,
    seed=CONFIG.seeds,
)
TEACHER_RUNS = sorted({f"{d}/teachers/{EXPERIMENTS[e].teacher}" for e, d in EVALUATIONS})


rule report:
    input:
        anchors=expand("results/{run}/anchors.json", run=TEACHER_RUNS + STUDENT_RUNS),
        svm=expand("results/{run}/svm.json", run=TEACHER_RUNS + STUDENT_RUNS),
        histories=expand(
            "results/experiments/{experiment}/seed{seed}/history.json",
            experiment=EXPERIMENTS,
            seed=CONFIG.seeds,
        ),
        quality=expand("results/{dataset}/quality.csv", dataset=DATASETS),
    output:
        accuracy=report(
            "results/report/accuracy.csv",
            category="Accuracy",
            caption="../report/accuracy.rst",
        ),
        summary=report(
            "results/report/summary.md",
            category="Accuracy",
            caption="../report/accuracy.rst",
        ),
        table=report(
            "results/report/accuracy.md",
            category="Accuracy",
            caption="../report/accuracy.rst",
        ),
        training=report(
            "results/report/training.png",
            category="Training",
            caption="../report/training.rst",
        ),
        labels=report(
            "results/report/label-efficiency.png",
            category="Accuracy",
            caption="../report/labels.rst",
        ),
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        version=VERSIONS["report"],
        experiments={name: experiment_settings(name) for name in EXPERIMENTS},
        runs=TEACHER_RUNS + STUDENT_RUNS,
    message:
        "Writing the report"
    script:
        "../scripts/report.py"
