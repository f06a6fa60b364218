# Tables and figures of everything that was measured.

RUNS = evaluated_runs(CONFIG, FOLDS)
HISTORIES = {
    f"results/experiments/{experiment}/{fold}seed{seed}/history.json": experiment
    for experiment, settings in EXPERIMENTS.items()
    for fold in fold_folders(settings.dataset)
    for seed in CONFIG.seeds
}
SYNC = [f"results/{dataset}/sync.csv" for dataset in DATASETS if CONFIG.datasets[dataset].synced]
RECORDINGS = {f"results/{dataset}/recordings.parquet": dataset for dataset in DATASETS}


# Published rows that match an experiment's settings; a simulated dataset has none.
CANDIDATES = candidates(CONFIG)


rule report:
    input:
        published=f"{workflow.basedir}/{PUBLISHED_FIGURES}" if CANDIDATES else [],
        scores=[f"results/{run['folder']}/{name}.json" for run in RUNS for name in run["protocols"]],
        histories=list(HISTORIES),
        quality=expand("results/{dataset}/quality.csv", dataset=DATASETS),
        recordings=list(RECORDINGS),
        sync=SYNC,
        costs=list(EXPORTS),
    output:
        **(
            {
                "cost": report(
                    "results/report/cost.csv",
                    category="Cost",
                    caption="../report/cost.rst",
                ),
                "cost_figure": report(
                    "results/report/cost.png",
                    category="Cost",
                    caption="../report/cost.rst",
                ),
            }
            if EXPORTS
            else {}
        ),
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
        page=report(
            "results/report/index.html",
            category="Report",
            caption="../report/page.rst",
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
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        version=VERSIONS["report"],
        runs=RUNS,
        histories=HISTORIES,
        recordings=RECORDINGS,
        costs=EXPORTS,
        candidates=CANDIDATES,
        # for the page alone; functions of `input` are no rerun triggers
        config=lambda wildcards, input: CONFIG.model_dump(mode="json", exclude_defaults=True),
        project=lambda wildcards, input: str(workflow.basedir),
        baselines={name: e.baseline for name, e in EXPERIMENTS.items() if e.baseline not in (None, name)},
    message:
        "Writing the report"
    script:
        "../scripts/report.py"
