"""Support for jobs: logs, devices, stage versions, and user-defined classes."""
