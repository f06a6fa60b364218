# COMODO: raw video and IMU in, an evaluated IMU encoder out. The rule files below are the stages in order.
#
#   simulate | raw data → index → extract_clips, preprocess_imu → (estimate_sync) → pair_clips → encode_video → select_anchors
#                                                             → distill → extract_features → evaluate → (export, predict) → report

from snakemake.utils import min_version

min_version("9.5")


report: "workflow/report/workflow.rst"


if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/functions.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/splits.smk"
include: "workflow/rules/recordings.smk"
include: "workflow/rules/clips.smk"
include: "workflow/rules/embeddings.smk"
include: "workflow/rules/distill.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/deploy.smk"
include: "workflow/rules/report.smk"


# Named targets: snakemake --cores all [prepared | embedded | distilled | predicted]
rule all:
    default_target: True
    input:
        rules.report.output,
        predictions,


rule prepared:
    input:
        expand("results/{dataset}/{table}", dataset=DATASETS, table=["quality.csv", "clips.parquet"]),
        SYNC,


rule embedded:
    input:
        [
            f"results/{dataset}/{fold}teachers/{teacher}/anchors.h5"
            for dataset, teacher in ENCODED
            for fold in fold_folders(dataset)
        ],


rule distilled:
    input:
        [
            f"results/experiments/{experiment}/{fold}seed{seed}/student"
            for experiment, settings in EXPERIMENTS.items()
            for fold in fold_folders(settings.dataset)
            for seed in CONFIG.seeds
        ],


rule predicted:
    input:
        predictions,
    params:
        datasets=listed_to_predict,
