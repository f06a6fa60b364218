# Where no data or no teacher are at hand: a simulated dataset in the Ego4D layout, a small teacher of its own.


rule simulate:
    output:
        marker="results/{dataset}/simulated.json",
    log:
        "results/logs/simulate/{dataset}.log",
    benchmark:
        "results/benchmarks/simulate/{dataset}.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["simulate"],
        settings=simulation,
    message:
        "Simulating dataset {wildcards.dataset}"
    script:
        "../scripts/simulate.py"


rule make_teacher:
    output:
        folder=directory("results/teachers/{teacher}"),
    log:
        "results/logs/make_teacher/{teacher}.log",
    benchmark:
        "results/benchmarks/make_teacher/{teacher}.tsv"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        version=VERSIONS["make_teacher"],
        settings=lambda wildcards: teacher_of(wildcards).model_dump(
            mode="json", include={"architecture", "architecture_config", "seed", "pretraining"}
        ),
    message:
        "Making teacher {wildcards.teacher}"
    script:
        "../scripts/make_teacher.py"
