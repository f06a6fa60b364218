from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.testing import assert_allclose

from comodo.config import DatasetSettings, SimulateSettings
from comodo.layouts.opening import open_layout
from comodo.simulate import dataset
from comodo.simulate.dataset import IMU_COLUMNS, takes, write_dataset, write_imu_csv
from comodo.simulate.sensors import Imu
from tests.support.world import simulate_recordings

WORLD = SimulateSettings(
    train_subjects=2, val_subjects=1, test_subjects=1, activities=2, duration_s=2, fps=10, size=32
)
DOCUMENTED = (
    "component_idx,component_timestamp_ms,canonical_timestamp_ms,gyro_x,gyro_y,gyro_z,accl_x,accl_y,accl_z"
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_dataset(WORLD, folder / "raw", folder / "marker.json", workers=2)
    return folder


def content(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def test_it_is_a_dataset_of_the_ego4d_layout(written: Path) -> None:
    settings = DatasetSettings(layout="ego4d", root=str(written / "raw"))
    layout = open_layout("d", settings)
    recordings = layout.recordings()
    assert len(recordings) == 8
    assert {r.label for r in recordings} == {"walking", "reading"}
    subjects = {
        split: {r.group for r in recordings if r.split == split} for split in ("train", "val", "test")
    }
    assert [len(people) for people in subjects.values()] == [2, 1, 1]
    assert len(set.union(*subjects.values())) == 4
    for recording in recordings:
        (samples,) = layout.read_imu(recording)
        assert samples.accel_t[0] < 0.02
        assert samples.accel_t[-1] > 1.98
        assert np.linalg.norm(samples.accel, axis=0).mean() == pytest.approx(9.81, abs=1.5)
        with av.open(str(recording.video)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            assert container.streams.video[0].average_rate == 10
        assert len(frames) == 20
        assert frames[0].shape == (32, 32, 3)


def test_csv_and_json_follow_the_documentation(written: Path) -> None:
    assert ",".join(IMU_COLUMNS) == DOCUMENTED
    assert (written / "raw/imu/s000-walking.csv").read_text().startswith(DOCUMENTED + "\n0,")
    metadata = json.loads((written / "raw/ego4d.json").read_text())
    assert [video["video_uid"] for video in metadata["videos"]][:2] == ["s000-walking", "s000-reading"]
    video = metadata["videos"][0]
    assert (video["duration_sec"], video["has_imu"], video["scenarios"]) == (2.0, True, ["Walking on street"])
    assert (video["video_metadata"]["fps"], video["video_metadata"]["num_frames"]) == (10.0, 20)


def test_files_hold_what_was_simulated(written: Path) -> None:
    recording = next(simulate_recordings(WORLD))
    assert (recording.label, recording.subject, recording.frames.shape) == ("walking", 0, (20, 32, 32, 3))
    with av.open(str(written / "raw/full_scale/s000-walking.mp4")) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert np.abs(frames.astype(int) - recording.frames).mean() < 10
    table = np.loadtxt(written / "raw/imu/s000-walking.csv", delimiter=",", skiprows=1)
    assert_allclose(table[:, 2] / 1000, recording.imu.times, atol=1e-6)
    assert_allclose(table[:, 3:6].T, recording.imu.gyro, atol=1e-5)
    assert_allclose(table[:, 6:].T, recording.imu.accel, atol=1e-4)


def test_same_settings_same_bytes_whatever_the_workers(written: Path, tmp_path: Path) -> None:
    write_dataset(WORLD, tmp_path / "raw", tmp_path / "marker.json", workers=1)
    assert content(tmp_path / "raw") == content(written / "raw")


def test_the_marker_lists_every_file_and_the_settings(written: Path) -> None:
    marker = json.loads((written / "marker.json").read_text())
    assert SimulateSettings(**marker["settings"]) == WORLD
    assert {file["path"] for file in marker["files"]} == set(content(written / "raw"))
    for file in marker["files"]:
        stat = (written / "raw" / file["path"]).stat()
        assert (file["size"], file["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns)


def test_an_older_world_leaves_nothing_behind(tmp_path: Path) -> None:
    small = WORLD.model_copy(update={"train_subjects": 1})
    for settings in (WORLD, small):
        write_dataset(settings, tmp_path / "raw", tmp_path / "marker.json")
    assert len(list((tmp_path / "raw/full_scale").iterdir())) == 6
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "marker.json"}


def test_a_folder_of_real_data_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "raw/full_scale").mkdir(parents=True)
    (tmp_path / "raw/full_scale/mine.mp4").write_text("precious")
    with pytest.raises(ValueError, match="did not write"):
        write_dataset(WORLD, tmp_path / "raw", tmp_path / "marker.json")
    assert (tmp_path / "raw/full_scale/mine.mp4").exists()
    assert not (tmp_path / "marker.json").exists()


def test_a_crash_leaves_neither_folder_nor_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(dataset, "write_video", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        write_dataset(WORLD, tmp_path / "raw", tmp_path / "marker.json")
    assert list(tmp_path.iterdir()) == []


def test_three_of_four_recordings_take_place_where_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[str] = []
    monkeypatch.setattr(dataset, "FAMILIES", {name: name for name in dataset.FAMILIES})
    monkeypatch.setattr(dataset, "make_scene", lambda family, *_: places.append(family))
    monkeypatch.setattr(dataset, "render", lambda *_: None)
    world = takes(SimulateSettings(train_subjects=60, activities=8))
    for take in world:
        dataset.film(take, WORLD, None, None, take.rng())  # type: ignore[arg-type]
    share = np.mean([place == take.family for place, take in zip(places, world, strict=True)])
    assert share == pytest.approx(0.75, abs=0.05)
    assert set(places) == set(dataset.FAMILIES)


def test_worlds_of_other_streams_seeds_and_splits_share_nobody() -> None:
    worlds = [takes(WORLD), takes(WORLD, stream=1), takes(WORLD.model_copy(update={"seed": 1}))]
    people = [{take.entropy for take in world} for world in worlds]
    assert [len(each) for each in people] == [4, 4, 4]
    assert len(set.union(*people)) == 12
    grown = takes(WORLD.model_copy(update={"train_subjects": 5}))
    assert {take.entropy for take in grown if take.split == "test"} == {
        take.entropy for take in worlds[0] if take.split == "test"
    }


def test_recorded_imu_drives_the_rig_and_is_kept_as_it_is(tmp_path: Path) -> None:
    for recording in simulate_recordings(WORLD.model_copy(update={"duration_s": 3})):
        folder = tmp_path / "recorded" / f"like-{recording.label}"
        folder.mkdir(parents=True, exist_ok=True)
        write_imu_csv(folder / f"{recording.subject}.csv", recording.imu)
    # 3 s of IMU is all there is, whatever duration_s asks for
    settings = WORLD.model_copy(update={"trajectory_imu": str(tmp_path / "recorded"), "duration_s": 30})
    write_dataset(settings, tmp_path / "raw", tmp_path / "marker.json")
    source = tmp_path / "recorded/like-walking/3.csv"
    assert (tmp_path / "raw/imu/s003-like-walking.csv").read_bytes() == source.read_bytes()
    metadata = json.loads((tmp_path / "raw/ego4d.json").read_text())
    assert {video["video_metadata"]["num_frames"] for video in metadata["videos"]} == {30}
    assert "s000-like-reading\tlike-reading\n" in (tmp_path / "raw/splits/train.txt").read_text()
    reading, walking = (
        np.abs(np.diff(recording.frames.astype(int), axis=0)).mean()
        for recording in list(simulate_recordings(settings))[:2]
    )
    assert walking > reading > 0  # the picture moves as the recorded head did


def test_recorded_imu_must_be_enough(tmp_path: Path) -> None:
    settings = WORLD.model_copy(update={"trajectory_imu": str(tmp_path)})
    with pytest.raises(ValueError, match="needs two folders"):
        takes(settings)
    for label in ("one", "two"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.csv").write_text("time\n")
    with pytest.raises(ValueError, match=r"has 1 subjects, .* ask for 4"):
        takes(settings)


def test_a_subject_without_a_recording_of_a_label_keeps_its_others(tmp_path: Path) -> None:
    for label, subjects in (("one", "abcd"), ("two", "acd")):
        (tmp_path / label).mkdir()
        for subject in subjects:
            (tmp_path / label / f"{subject}.csv").touch()
    world = takes(WORLD.model_copy(update={"trajectory_imu": str(tmp_path)}))
    assert [take.uid for take in world if take.split == "train"] == ["s000-one", "s000-two", "s001-one"]
    assert [str(take.recorded)[-9:] for take in world if take.split == "test"] == ["one/d.csv", "two/d.csv"]


@pytest.mark.realdata
def test_real_head_motion_drives_the_rig(realdata: Path, tmp_path: Path) -> None:
    """Two activities of two people who wore IMU glasses (ClassyGlass): the picture stands when they stand."""
    number_of = {"standing": (8, 19), "walking": (9, 20)}  # recording of user 1 and of user 2
    for label, numbers in number_of.items():
        for user, number in enumerate(numbers, 1):
            sensors = []
            for name in ("Accelerometer", "Gyroscope"):
                (path,) = (realdata / "classyglass" / f"User{user}").glob(f"{number}_MetaWear_*_{name}_*.csv")
                sensors.append(np.genfromtxt(path, delimiter=",", skip_header=1, usecols=(0, 3, 4, 5)).T)
            begin = max(sensor[0, 0] for sensor in sensors)
            times = np.arange(begin, begin + 8000, 10)
            accel, gyro = (np.stack([np.interp(times, s[0], row) for row in s[1:]]) for s in sensors)
            imu = Imu((times - begin) / 1000, accel * 9.80665, np.radians(gyro))
            for subject in ("a", "b") if user == 1 else ("c",):
                path = tmp_path / "recorded" / label / f"{subject}.csv"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_imu_csv(path, imu)
    update = {"trajectory_imu": str(tmp_path / "recorded"), "train_subjects": 1, "duration_s": 8}
    world = {r.label + str(r.subject): r for r in simulate_recordings(WORLD.model_copy(update=update))}

    def motion(name: str) -> float:
        return float(np.abs(np.diff(world[name].frames.astype(float), axis=0)).mean())

    assert set(world) == {"standing0", "standing1", "standing2", "walking0", "walking1", "walking2"}
    for subject in "02":
        assert motion(f"walking{subject}") > 1.2 * motion(f"standing{subject}")
