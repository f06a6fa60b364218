# The published split files, where they are missing: dataset/Ego4D, dataset/EgoExo4D, dataset/UESTC-MMEA-CL.
# Not a step on the way: which recordings a shard holds must be known when the workflow is parsed. A run without them
# ends with one line that names this target; it fetches what the config's datasets need, and no more.


rule splits:
    input:
        [path for dataset in CONFIG.datasets for path in published_splits(dataset)],


# No version among the params: digests fix the output. `update` keeps files of that name that are not
# the published ones, and the rule then fails saying so. A local rule, as compute nodes seldom reach the internet.
rule fetch_splits:
    output:
        train=update("dataset/{published}/train.txt"),
        val=update("dataset/{published}/val.txt"),
        test=update("dataset/{published}/test.txt"),
    log:
        "results/logs/fetch_splits/{published}.log",
    benchmark:
        "results/benchmarks/fetch_splits/{published}.tsv"
    wildcard_constraints:
        published=one_of(name for name, _ in PUBLISHED.values()),
    localrule: True
    threads: 1
    resources:
        mem_mb=200,
        runtime=10,
    message:
        "Fetching the published splits of {wildcards.published}"
    script:
        "../scripts/fetch_splits.py"
