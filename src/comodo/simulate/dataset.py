"""A simulated data set in the Ego4D layout: mp4, IMU csv, metadata json and split files.

Layout and csv columns follow Ego4D's documentation (docs/data/imu.md and metadata.md of EGO4D/docs).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from comodo.config import SPLITS, SimulateSettings
from comodo.errors import DataError, ImuError
from comodo.jobs.log import end_with
from comodo.jobs.versions import VERSIONS
from comodo.layouts.ego4d import ACCEL, GYRO, TIME
from comodo.layouts.imu_csv import read_imu_csv
from comodo.simulate.scene import FAMILIES, make_scene, render
from comodo.simulate.sensors import Imu, simulate_imu
from comodo.simulate.trajectory import (
    ACTIVITIES,
    Array,
    Subject,
    Trajectory,
    make_subject,
    simulate_trajectory,
    trajectory_from_imu,
)
from comodo.storage.files import atomic
from comodo.storage.regular import open_text

FAMILY_MATCHES = 0.75  # share of recordings that take place where their activity usually does
DESCRIPTION = "simulated by comodo"  # marks a simulated folder, so that real data are never replaced
IMU_COLUMNS = ("component_idx", "component_timestamp_ms", TIME, *GYRO, *ACCEL)


@dataclass(frozen=True)
class Take:
    """One recording to be made."""

    uid: str
    split: str
    subject: int  # unique over splits
    label: str
    scenario: str
    family: str  # of scenes where the label is at home
    entropy: tuple[int, ...]  # of the subject's random numbers; the recording's add the label's number
    label_id: int
    recorded: Path | None = None  # an IMU file that drives the rig

    def rng(self) -> np.random.Generator:
        """The recording's own random numbers."""
        return np.random.default_rng([*self.entropy, self.label_id + 1])


class Simulated(NamedTuple):
    """A recording in memory: frames (n, size, size, 3) uint8, its IMU, its label and its subject."""

    frames: NDArray[np.uint8]
    imu: Imu
    label: str
    subject: int


def takes(settings: SimulateSettings, stream: int = 0) -> list[Take]:
    """All recordings of a world, subject by subject.

    Args:
        settings: the world.
        stream: worlds of different streams share no subject and no place, even with equal seeds.

    Raises:
        ValueError: `trajectory_imu` does not hold the recordings that the settings require.
    """
    counts = (settings.train_subjects, settings.val_subjects, settings.test_subjects)
    recorded = _recorded(settings, sum(counts)) if settings.trajectory_imu is not None else None
    if recorded is None:
        kinds = [(a.name, a.scenario, a.family) for a in list(ACTIVITIES.values())[: settings.activities]]
    else:
        families = list(FAMILIES)
        kinds = [(name, name, families[i % len(families)]) for i, name in enumerate(recorded)]
    world, subject = [], 0
    for split_id, (split, count) in enumerate(zip(SPLITS, counts, strict=True)):
        for number in range(count):
            for label_id, (label, scenario, family) in enumerate(kinds):
                entropy = (settings.seed, stream, split_id, number)
                source = recorded[label][subject] if recorded is not None else None
                if recorded is not None and source is None:
                    continue  # this subject was not recorded doing that
                uid = f"s{subject:03d}-{label}"
                world.append(Take(uid, split, subject, label, scenario, family, entropy, label_id, source))
            subject += 1
    return world


def stage(take: Take, settings: SimulateSettings) -> tuple[Subject, Trajectory, np.random.Generator]:
    """Who moves, how, and the generator that draws what comes next."""
    subject, rng = make_subject(np.random.default_rng(take.entropy)), take.rng()
    if take.recorded is None:
        trajectory = simulate_trajectory(ACTIVITIES[take.label], subject, settings.duration_s, rng)
    else:
        imu = read_recorded(take.recorded)
        trajectory = trajectory_from_imu(imu.times, imu.accel, imu.times, imu.gyro)
    return subject, trajectory, rng


def film(
    take: Take, settings: SimulateSettings, trajectory: Trajectory, times: Array, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Frames (n, size, size, 3) at those times, in a place drawn for this recording."""
    others = [name for name in FAMILIES if name != take.family]
    family = take.family if rng.random() < FAMILY_MATCHES else str(rng.choice(others))
    return render(trajectory, make_scene(FAMILIES[family], trajectory, rng), times, settings.size)


def simulate_recording(take: Take, settings: SimulateSettings) -> Simulated:
    """Return one recording of a world, in memory."""
    subject, trajectory, rng = stage(take, settings)
    duration = settings.duration_s
    if take.recorded is not None:
        duration = min(duration, float(trajectory.times[-1]))
    times = np.arange(round(duration * settings.fps)) / settings.fps
    frames = film(take, settings, trajectory, times, rng)
    imu = simulate_imu(trajectory, rng, subject) if take.recorded is None else read_recorded(take.recorded)
    return Simulated(frames, imu, take.label, take.subject)


def write_dataset(settings: SimulateSettings, root: Path, marker: Path, workers: int = 1) -> None:
    """Write the raw files of a simulated data set, then `marker`, which says what they are.

    Same settings, same bytes, however many workers. The folder appears as a whole; one of older settings is replaced.

    Args:
        settings: the world.
        root: receives full_scale/<uid>.mp4, imu/<uid>.csv, ego4d.json and splits/.
        marker: json: the settings and, for every file, its path relative to `root`, size in bytes and mtime_ns.
        workers: processes.

    Raises:
        ValueError: `root` holds something that this function did not write.
    """
    _refuse_foreign(root)
    world = takes(settings)
    marker.unlink(missing_ok=True)  # from here on it would speak of files that may be gone
    with atomic(root) as folder:
        for name in ("full_scale", "imu", "splits"):
            (folder / name).mkdir(parents=True)
        # forked, not spawned: the caller's main module may be a script that must not run again
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, context, end_with, (os.getpid(),)) as pool:
            done = pool.map(partial(_write_recording, settings=settings, folder=folder), world, chunksize=4)
            videos = list(tqdm(done, total=len(world), desc="simulate", unit="recording"))
        metadata = {
            "date": "",
            "version": f"simulate-{VERSIONS['simulate']}",
            "description": DESCRIPTION,
            "videos": videos,
        }
        (folder / "ego4d.json").write_text(json.dumps(metadata, indent=1) + "\n")
        for split in SPLITS:
            lines = [f"{take.uid}\t{take.label}\n" for take in world if take.split == split]
            (folder / "splits" / f"{split}.txt").write_text("".join(lines))
    files = []
    for path in sorted(root.rglob("*")):
        if path.is_file() and path != marker:
            stat = path.stat()
            files.append(
                {"path": str(path.relative_to(root)), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
            )
    with atomic(marker) as temporary:
        content = {
            "version": VERSIONS["simulate"],
            "settings": settings.model_dump(mode="json"),
            "files": files,
        }
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def _write_recording(take: Take, settings: SimulateSettings, folder: Path) -> dict[str, object]:
    """Write one mp4 and one csv; return the recording's entry in ego4d.json."""
    recording = simulate_recording(take, settings)
    write_video(folder / "full_scale" / f"{take.uid}.mp4", recording.frames, settings.fps)
    csv = folder / "imu" / f"{take.uid}.csv"
    if take.recorded is None:
        write_imu_csv(csv, recording.imu)
    else:
        shutil.copyfile(take.recorded, csv)
    n_frames = len(recording.frames)
    return {
        "video_uid": take.uid,
        "duration_sec": n_frames / settings.fps,
        "scenarios": [take.scenario],
        "video_metadata": {
            "fps": settings.fps,
            "num_frames": n_frames,
            "video_codec": "h264",
            "display_resolution_width": settings.size,
            "display_resolution_height": settings.size,
            "mp4_duration_sec": n_frames / settings.fps,
            "video_start_sec": 0.0,
            "video_duration_sec": n_frames / settings.fps,
        },
        "fb_participant_id": take.subject,
        "is_stereo": False,
        "has_imu": True,
        "has_gaze": False,
    }


def write_video(path: Path, frames: NDArray[np.uint8], fps: float) -> None:
    """Encode frames (n, height, width, 3) as H.264, the same bytes each time."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "18", "threads": "1"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_imu_csv(path: Path, imu: Imu) -> None:
    """Write an IMU file with Ego4D's columns; one component that starts with the video."""
    import pyarrow
    from pyarrow import csv

    ms = np.round(imu.times * 1000, 4)
    component = np.zeros(len(ms), np.int64)
    columns = [component, ms, ms, *np.round(imu.gyro, 6), *np.round(imu.accel, 5)]
    table = pyarrow.table(columns, names=list(IMU_COLUMNS))
    with path.open("wb") as stream:
        stream.write(",".join(IMU_COLUMNS).encode() + b"\n")
        csv.write_csv(table, stream, csv.WriteOptions(include_header=False))


def read_recorded(path: Path) -> Imu:
    """Read an IMU file with Ego4D's columns: sorted by time, each time once, rows without a number dropped.

    Raises:
        ValueError: it is no such file.
    """
    try:
        table = read_imu_csv(path, (TIME, *GYRO, *ACCEL)).dropna().drop_duplicates(TIME).sort_values(TIME)
    except ImuError as error:
        raise DataError(f"simulate.trajectory_imu: {error}") from None
    return Imu(table[TIME].to_numpy() / 1000, table[list(ACCEL)].to_numpy().T, table[list(GYRO)].to_numpy().T)


def _recorded(settings: SimulateSettings, subjects: int) -> dict[str, list[Path | None]]:
    """Recorded IMU files by label, of the first subjects by name: `<trajectory_imu>/<label>/<subject>.csv`, or none."""
    folder = Path(str(settings.trajectory_imu))
    found = {kind.name: sorted(kind.glob("*.csv")) for kind in sorted(folder.glob("*/"))}
    labels = [name for name, files in found.items() if files][: settings.activities]
    if len(labels) < 2:
        raise DataError(f"simulate.trajectory_imu: {folder} needs two folders <label>/ of csv files or more")
    names = sorted({path.name for label in labels for path in found[label]})
    if len(names) < subjects:
        raise DataError(
            f"simulate.trajectory_imu: {folder} has {len(names)} subjects, "
            f"the settings ask for {subjects} (train, val and test subjects)"
        )
    return {
        label: [path if (path := folder / label / name).exists() else None for name in names[:subjects]]
        for label in labels
    }


def _refuse_foreign(root: Path) -> None:
    """Never replace a folder of real data."""
    if not root.exists() or not any(root.iterdir()):
        return
    try:
        with open_text(root / "ego4d.json") as file:
            own = json.load(file)["description"] == DESCRIPTION
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        own = False
    if not own:
        raise DataError(f"{root} holds files that `simulate` did not write: give `root` another folder")
