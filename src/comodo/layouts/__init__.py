"""Formats of datasets on disk: one module per layout behind the small protocol `Layout`.

A layout lists its recordings from split files alone (Snakemake does this each time it parses the workflow, so nothing
here imports more than the standard library) and reads the raw IMU of one recording at a time.
"""

from comodo.errors import ImuError, LayoutError
from comodo.layouts.opening import open_layout
from comodo.layouts.types import ImuSamples, Layout, Recording

__all__ = ["ImuError", "ImuSamples", "Layout", "LayoutError", "Recording", "open_layout"]
