"""IMU of Project Aria recordings (VRS files), read by Meta's library in a process of its own.

The library crashes on some damaged files, which must not take the other recordings of a job along, and it prints to the
terminal. Streams and fields: https://facebookresearch.github.io/projectaria_tools/docs/data_formats/aria_vrs
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RGB_STREAM = "214-1"
IMU_STREAMS = ("1202-1", "1202-2")  # 1000 Hz; 800 Hz, taken where the first has nothing


def read_vrs(path: Path) -> tuple[NDArray[np.float64], float | None]:
    """Read a recording: (7, N) time in ns, accel in m/s², gyro in rad/s; and the time of the first RGB frame, if any.

    Of a file that was cut short this is what is whole. Raises `ImuError`.
    """
    from comodo.errors import ImuError
    from comodo.layouts.reader_packages import require_reader
    from comodo.storage.regular import check_regular

    try:
        check_regular(path)
    except FileNotFoundError:
        raise ImuError("imu_missing_file", f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise ImuError("imu_unreadable", f"{path} cannot be read: {error}") from None
    require_reader("pyvrs", "--no-deps vrs==1.2.2", path, "an Aria recording")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "imu.npz")
        # -P: this folder is no place to import from
        command = [sys.executable, "-P", __file__, str(path), str(target)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [""])[-1]
            why = f"the reader crashed, signal {-done.returncode}" if done.returncode < 0 else last
            raise ImuError("imu_unreadable", f"{path} is not an Aria recording that can be read: {why}")
        with np.load(target, allow_pickle=False) as found:
            values, streams, first_frame = found["values"], found["streams"], float(found["first_frame"])
    if not len(streams):
        raise ImuError("imu_no_stream", f"{path} has none of the IMU streams {', '.join(IMU_STREAMS)}")
    if not values.shape[1]:
        raise ImuError("imu_empty", f"{path}: no valid sample in the IMU streams {', '.join(streams)}")
    return values, None if np.isnan(first_frame) else first_frame


def _convert(source: str, target: str) -> None:
    """Write what `read_vrs` needs of a VRS file into an npz file."""
    from pyvrs import SyncVRSReader  # type: ignore[import-untyped]

    with SyncVRSReader(source) as reader:
        streams = [stream for stream in IMU_STREAMS if stream in reader.stream_ids]
        values = np.empty((7, 0))
        for stream in streams:
            records = reader.filtered_by_fields(stream_ids={stream}, record_types={"data"})
            values = np.empty((7, len(records)))
            count = 0
            for record in records:
                sample = record.metadata_blocks[0]
                if sample["accelerometer_valid"] and sample["gyroscope_valid"]:
                    values[0, count] = sample["capture_timestamp_ns"]
                    values[1:4, count] = sample["accelerometer"]
                    values[4:, count] = sample["gyroscope"]
                    count += 1
            values = values[:, :count]
            if count:
                break
        frames = reader.filtered_by_fields(stream_ids={RGB_STREAM}, record_types={"data"})
        first_frame = frames[0].metadata_blocks[0]["capture_timestamp_ns"] if len(frames) else np.nan
    np.savez(target, values=values, streams=np.array(streams, dtype=str), first_frame=first_frame)


if __name__ == "__main__":
    _convert(sys.argv[1], sys.argv[2])
