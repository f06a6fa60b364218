"""The page of the report: what was learned, on one self-contained HTML page."""
