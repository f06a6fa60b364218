"""Distillation: one experiment, its training loop, schedule, validation and resumable states (distill.smk)."""
