"""IMU of Project Aria recordings (VRS files), read by Meta's library in a process of its own.

The library crashes on some damaged files, which must not take the other recordings of a job along, and it prints to the
terminal. Streams and fields: https://facebookresearch.github.io/projectaria_tools/docs/data_formats/aria_vrs
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RGB_STREAM = "214-1"
IMU_STREAMS = ("1202-1", "1202-2")  # 1000 Hz; 800 Hz, used if the first has no sample
LABELS = ("imu-right", "imu-left")  # of these streams in the calibration


def read_vrs(path: Path) -> tuple[NDArray[np.float64], float | None, bool]:
    """Read the IMU of a recording; of a file that was cut short, the part that is whole.

    Returns:
        values: (7, N) time in ns, accel in m/s², gyro in rad/s, in the axes of the first IMU.
        first_frame: time of the first RGB frame, ns; None without RGB.
        second: whether they are of the second IMU, rotated by the calibration in the file.

    Raises:
        ImuError: the file cannot be read, has no IMU stream, no sample, or only samples of the second IMU and no
            calibration.
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
            used, rotation = str(found["used"]), found["rotation"]
    if not len(streams):
        raise ImuError("imu_no_stream", f"{path} has none of the IMU streams {', '.join(IMU_STREAMS)}")
    if not values.shape[1]:
        raise ImuError("imu_empty", f"{path}: no valid sample in the IMU streams {', '.join(streams)}")
    second = used == IMU_STREAMS[1]
    if second:
        if np.isnan(rotation).any():
            text = (
                f"only the second IMU ({used}), whose axes differ, has samples, and there is no calibration"
            )
            raise ImuError("imu_no_stream", f"{path}: {text}")
        values = np.concatenate([values[:1], rotation @ values[1:4], rotation @ values[4:]])
    return values, None if np.isnan(first_frame) else first_frame, second


def rotation_between(calibration: str) -> NDArray[np.float64]:
    """Return the matrix (3, 3) from the axes of the second IMU to those of the first; NaN without a calibration.

    Args:
        calibration: the file tag `calib_json`; its `T_Device_Imu` holds unit quaternions (w, (x, y, z)).
    """
    try:
        own = {imu["Label"]: imu["T_Device_Imu"] for imu in json.loads(calibration)["ImuCalibrations"]}
        first, second = (_matrix(*own[label]["UnitQuaternion"]) for label in LABELS)
    except (ValueError, KeyError, TypeError):
        return np.full((3, 3), np.nan)
    rotation: NDArray[np.float64] = first.T @ second
    return rotation


def _matrix(w: float, axis: list[float]) -> NDArray[np.float64]:
    """The rotation matrix of a unit quaternion."""
    x, y, z = axis
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _convert(source: str, target: str) -> None:
    """Write what `read_vrs` needs of a VRS file into an npz file."""
    from pyvrs import SyncVRSReader  # type: ignore[import-untyped]

    with SyncVRSReader(source) as reader:
        streams = [stream for stream in IMU_STREAMS if stream in reader.stream_ids]
        values = np.empty((7, 0))
        used = ""
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
            values, used = values[:, :count], stream
            if count:
                break
        frames = reader.filtered_by_fields(stream_ids={RGB_STREAM}, record_types={"data"})
        first_frame = frames[0].metadata_blocks[0]["capture_timestamp_ns"] if len(frames) else np.nan
        rotation = rotation_between(reader.file_tags.get("calib_json", ""))
    names = np.array(streams, dtype=str)
    np.savez(target, values=values, streams=names, used=used, rotation=rotation, first_frame=first_frame)


if __name__ == "__main__":
    _convert(sys.argv[1], sys.argv[2])
