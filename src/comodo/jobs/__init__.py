"""What every job needs: its log, a device to compute on, and the version of its stage."""
