"""A number per stage; raise it when the stage's output changes.

Snakemake notices a changed script but not a changed package, so each rule passes its number as a param: artefacts
of an older number are made again. They stand here, not in the stages' modules, so that parsing the workflow
imports nothing heavy.
"""

from __future__ import annotations

from typing import Final

VERSIONS: Final = {
    "simulate": 1,
    "make_teacher": 2,
    "index_recordings": 1,
    "extract_clips": 2,
    "preprocess_imu": 3,
    "pair_clips": 2,
    "report_quality": 2,
    "merge_clips": 2,
    "encode_video": 2,
    "merge_embeddings": 2,
    "select_anchors": 2,
    "distill": 3,
    "extract_features": 3,
    "evaluate_anchors": 2,
    "evaluate_head": 1,
    "evaluate_svm": 2,
    "report": 3,
}
