"""Distillation: experiments, training loop, schedule, validation and resumable states (distill.smk)."""
