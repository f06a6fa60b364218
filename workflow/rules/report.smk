# Tables and figures of everything that was measured.

RUNS = {f"{dataset}/teachers/{teacher}": ("svm", "anchors") for dataset, teacher in ENCODED}
RUNS |= {
    f"experiments/{e}/seed{seed}/{d}": CONFIG.protocols(e, d) for e, d in EVALUATIONS for seed in CONFIG.seeds
}


# Published rows stand beside experiments of their setting; a simulated dataset has none.
CANDIDATES = candidates(CONFIG)


rule report:
    input:
        published=f"{workflow.basedir}/{PUBLISHED_FIGURES}" if CANDIDATES else [],
        scores=[f"results/{run}/{protocol}.json" for run in RUNS for protocol in RUNS[run]],
        histories=expand(
            "results/experiments/{experiment}/seed{seed}/history.json",
            experiment=EXPERIMENTS,
            seed=CONFIG.seeds,
        ),
        quality=expand("results/{dataset}/quality.csv", dataset=DATASETS),
    output:
        **(
            {
                "beside": report(
                    "results/report/published.md",
                    category="Accuracy",
                    caption="../report/published.rst",
                ),
                "beside_csv": "results/report/published.csv",
            }
            if CANDIDATES
            else {}
        ),
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
        differences=report(
            "results/report/differences.csv",
            category="Accuracy",
            caption="../report/differences.rst",
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
        experiments=SETTINGS,
        runs=RUNS,
        candidates=CANDIDATES,
        baselines={name: e.baseline for name, e in EXPERIMENTS.items() if e.baseline not in (None, name)},
    message:
        "Writing the report"
    script:
        "../scripts/report.py"
