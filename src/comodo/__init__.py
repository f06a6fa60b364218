"""COMODO: distil what a frozen video model knows into an IMU encoder, without labels.

One package per stage of the workflow; imports go downwards in this list only (`lint-imports`):

    commands      the command line
    report, plan  tables and figures; what a config would cost
    evaluate      features and protocols
    distill       the training of one experiment
    objectives    the lesson and the loss of each objective
    embeddings    teacher embeddings: store, anchors
    simulate      a world without recordings
    models        teachers, students, heads, the saved student
    clips         windows, pairs, the quality report
    recordings    index, splits, small video, resampled IMU
    layouts       how datasets lie on disk
    config        the blocks of the config
    storage, jobs files and checksums; logs, devices, stage versions
    errors, text  what all of them use
"""

import os

# Every HDF5 file is written under a temporary name, renamed when whole and never changed, so no reader needs a lock;
# disks without locks (NFS, Lustre) would refuse to open it. h5py reads this when it is imported.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
