"""The SVM protocol under its name of the first version: see `comodo.evaluate.svm`."""

from comodo.evaluate.svm import C_GRID, SvmModel, evaluate_svm, fit_svm, score_svm

__all__ = ["C_GRID", "SvmModel", "evaluate_svm", "fit_svm", "score_svm"]
