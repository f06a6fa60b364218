"""Cut ClassyGlass into pieces of head motion that drive the simulated rig (config key `simulate.trajectory_imu`).

ClassyGlass (github.com/MU-Smart/ClassyGlass, CC-BY-4.0): an IMU in glasses, one recording per activity and person.
For each direction (learn from user 1, be tested on user 2; the reverse) a folder `<label>/<piece>.csv` with Ego4D's
columns. Sorted by name, the pieces are those of train, of val, of test, as `simulate` deals them out: of the longest
recording 15 for train, 6 for val and 21 for test. Train and val are different stretches of time of one person's
recordings, test is the other person's.

    python benchmarks/learning/classyglass.py <folder with User1/ and User2/> <target folder>
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from comodo.simulate.dataset import write_imu_csv
from comodo.simulate.sensors import Imu

# The leading number of a file name, mod 11.
LABELS = ("stairs", "reading", "writing", "typing", "browsing", "moving-head", "moving-chair", "sit-to-stand",
          "standing", "walking", "running")  # fmt: skip
CLIP_S = 2.0  # pieces hold whole clips
PIECE_CLIPS = 3  # about so many in a piece: each piece is filmed in another place
PIECES = 7  # at least: the shortest recording (29.6 s of stairs) has two clips in each
VAL = (2, 5)  # which of seven pieces are val
STANDARD_GRAVITY = 9.80665

# From the sensor's axes to the rig's (x forward, y left, z up). The sensor's y points up. Both people look down when
# they read and lean forward to stand up; what shows gravity then moves to +x of user 1's sensor and to −x of user
# 2's: for user 1 it sat on the glasses back to front.
FORWARD, BACKWARD = ((1, 0, 0), (0, 0, -1), (0, 1, 0)), ((-1, 0, 0), (0, 0, 1), (0, 1, 0))
MOUNTING = {"User1": BACKWARD, "User2": FORWARD}


def read_recording(folder: Path, number: int) -> Imu:
    """Join the csv files of a recording: what both sensors cover, on the accelerometer's clock from 0 s, in SI units.

    Raises:
        ValueError: not exactly one file for each sensor.
    """
    sensors = []
    for name in ("Accelerometer", "Gyroscope"):
        found = sorted(folder.glob(f"{number}_MetaWear_*_{name}_*.csv"))
        if len(found) != 1:
            raise ValueError(f"{folder}: {len(found)} files {number}_MetaWear_*_{name}_*.csv, need one")
        # columns: epoch (ms), time (text), elapsed (s), x, y, z
        sensors.append(np.genfromtxt(found[0], delimiter=",", skip_header=1, usecols=(0, 3, 4, 5)).T)
    accel, gyro = sensors
    accel = accel[:, (accel[0] >= gyro[0, 0]) & (accel[0] <= gyro[0, -1])]
    rate = np.stack([np.interp(accel[0], gyro[0], axis) for axis in gyro[1:]])
    return Imu((accel[0] - accel[0, 0]) / 1000, accel[1:] * STANDARD_GRAVITY, np.radians(rate))


def mount(imu: Imu, axes: tuple[tuple[int, ...], ...]) -> Imu:
    """Turn a sensor's axes to the rig's; `axes` are the rig's in those of the sensor."""
    turn = Rotation.from_matrix(np.array(axes, float)).as_matrix()
    return Imu(imu.times, turn @ imu.accel, turn @ imu.gyro)


def cut(imu: Imu) -> list[Imu]:
    """Cut a recording into consecutive pieces of whole clips, as equal as can be; what is over at the end is left out.

    Raises:
        ValueError: it has not two clips for each of `PIECES`.
    """
    step = float(np.median(np.diff(imu.times)))
    clips = int((imu.times[-1] + step) / CLIP_S)
    if clips < 2 * PIECES:
        raise ValueError(
            f"a recording of {imu.times[-1]:.1f} s is too short for {PIECES} pieces of two clips"
        )
    out = []
    for own in np.array_split(np.arange(clips), max(PIECES, clips // PIECE_CLIPS)):
        begin, end = own[0] * CLIP_S, (own[-1] + 1) * CLIP_S
        rows = (imu.times >= begin - step / 2) & (imu.times < end - step / 2)
        out.append(Imu(imu.times[rows] - begin, imu.accel[:, rows], imu.gyro[:, rows]))
    return out


def split_of(piece: int, learnt: bool) -> str:
    """Split of a piece, with a digit before it by which names sort in the order of the splits."""
    return "3-test" if not learnt else "2-val" if piece % PIECES in VAL else "1-train"


def convert(source: Path, target: Path) -> None:
    """Write `<target>/<direction>/<label>/<split>-<piece>.csv` for both directions.

    Raises:
        ValueError: `source` lacks a recording.
    """
    directions = {"user1-user2": ("User1", "User2"), "user2-user1": ("User2", "User1")}
    for user, axes in MOUNTING.items():
        for number in numbers(source / user):
            pieces = cut(mount(read_recording(source / user, number), axes))
            for direction, (learnt, _) in directions.items():
                folder = target / direction / LABELS[number % len(LABELS)]
                folder.mkdir(parents=True, exist_ok=True)
                for index, piece in enumerate(pieces):
                    write_imu_csv(folder / f"{split_of(index, user == learnt)}-{index:02d}.csv", piece)


def numbers(folder: Path) -> NDArray[np.int64]:
    """Numbers of the recordings in a user's folder: one of every label.

    Raises:
        ValueError: it has another set.
    """
    found = np.unique([int(path.name.split("_")[0]) for path in folder.glob("*_MetaWear_*.csv")]).astype(int)
    if sorted(found % len(LABELS)) != list(range(len(LABELS))):
        raise ValueError(
            f"{folder}: need one recording of each of the {len(LABELS)} activities (leading number mod "
            f"{len(LABELS)}), found {found.tolist()}: get both from github.com/MU-Smart/ClassyGlass"
        )
    return found


if __name__ == "__main__":
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except ValueError as error:
        sys.exit(f"{error}")
