"""Version number of each stage; increase it when the output of the stage changes.

Snakemake detects changed scripts but not changed packages. Each rule therefore passes its number as a param, and
artefacts of an older number are recomputed. The numbers are in this module so that parsing the workflow does not
import large packages.
"""

from __future__ import annotations

from typing import Final

VERSIONS: Final = {
    "simulate": 1,
    "make_teacher": 2,
    "index_recordings": 1,
    "extract_clips": 3,
    "preprocess_imu": 3,
    "estimate_sync": 2,
    "pair_clips": 2,
    "report_quality": 2,
    "merge_clips": 2,
    "assign_fold": 1,
    "encode_video": 2,
    "merge_embeddings": 2,
    "select_anchors": 2,
    "distill": 3,
    "extract_features": 3,
    "evaluate_anchors": 3,
    "evaluate_head": 2,
    "evaluate_svm": 3,
    "export": 1,
    "predict": 1,
    "report": 7,
}
