"""Use of a trained student: predictions on new recordings and streams, few-label heads, export, timelines."""
