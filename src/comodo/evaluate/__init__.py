"""Evaluation: frozen features, and one module per evaluation protocol (evaluate.smk)."""
