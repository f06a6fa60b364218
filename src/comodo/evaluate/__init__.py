"""Evaluation: frozen features, and one module per protocol that scores them (evaluate.smk)."""
