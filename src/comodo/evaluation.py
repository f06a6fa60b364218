"""The SVM protocol under its name of the first version: see `comodo.evaluate.svm`."""

from comodo.evaluate.svm import (
    C_GRID,
    FEW_C,
    FEW_PER_CLASS,
    FEW_WINDOWS,
    FOLDS,
    SvmModel,
    evaluate_svm,
    fit_svm,
    score_svm,
)

__all__ = [
    "C_GRID",
    "FEW_C",
    "FEW_PER_CLASS",
    "FEW_WINDOWS",
    "FOLDS",
    "SvmModel",
    "evaluate_svm",
    "fit_svm",
    "score_svm",
]
