"""The report: tables and figures of all measurements, beside the published figures (report.smk)."""
