"""COMODO: distil what a frozen video model knows into an IMU encoder, without labels."""

import os

# Every HDF5 file is written under a temporary name, renamed when whole and never changed, so no reader needs a lock;
# disks without locks (NFS, Lustre) would refuse to open it. h5py reads this when it is imported.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
