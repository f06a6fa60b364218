"""The report: tables and figures of what was measured, beside the published figures (report.smk)."""
