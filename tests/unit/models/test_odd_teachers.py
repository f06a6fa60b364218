"""Teacher folders that nobody should have: each is refused in one line."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from comodo.errors import ModelError
from comodo.models.teachers import load_teacher
from tests.support.checkpoints import copy_of, write_clip, write_dinov2, write_siglip2, write_vjepa2

DEEP = "[" * 100_000
KINDS = ["videomae", "timesformer", "vjepa2", "dinov2", "siglip2", "clip"]
WRITERS = {"vjepa2": write_vjepa2, "dinov2": write_dinov2, "siglip2": write_siglip2, "clip": write_clip}


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    signal.alarm(30)
    yield
    signal.alarm(0)


def written(kind: str, golden: Path, folder: Path) -> Path:
    if kind in WRITERS:
        WRITERS[kind](folder / "t")
    else:
        copy_of(golden, f"{kind}-tiny", folder / "t")
    return folder / "t"


def refused(folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_teacher(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "5", "null", DEEP, "{}", '{"model_type": []}', '{"model_type": "videomae", "image_size": NaN}',
     '{"model_type": 7}', '{"model_type": "videomae", "vision_config": 5}'],
)  # fmt: skip
def test_a_config_that_is_none(content: str, golden: Path, tmp_path: Path) -> None:
    folder = written("videomae", golden, tmp_path)
    (folder / "config.json").write_text(content)
    refused(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "intermediate_size", "patch_size"])
@pytest.mark.parametrize("value", [1 << 40, 1 << 20, 0, -1, "16", [], {}])
def test_sizes_that_the_weights_do_not_have(
    kind: str, key: str, value: object, golden: Path, tmp_path: Path
) -> None:
    folder = written(kind, golden, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config.get("vision_config", config)[key] = value
    (folder / "config.json").write_text(json.dumps(config))
    if key == "intermediate_size" and kind in ("vjepa2", "dinov2"):  # which have `mlp_ratio`
        load_teacher(folder)
    else:
        refused(folder)


@pytest.mark.parametrize("kind", ["videomae", "timesformer", "vjepa2"])
@pytest.mark.parametrize("value", [1 << 40, 100_000, 0, -8, "16", [], None, 1.5])
def test_frames_and_sides(kind: str, value: object, golden: Path, tmp_path: Path) -> None:
    folder = written(kind, golden, tmp_path)
    sound = (folder / "config.json").read_text()
    keys = (
        ("crop_size", "frames_per_clip", "tubelet_size") if kind == "vjepa2" else ("image_size", "num_frames")
    )
    for key in keys:
        (folder / "config.json").write_text(json.dumps({**json.loads(sound), key: value}))
        refused(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content",
    [[], 5, "text", {}, {"image_mean": "5"}, {"image_mean": "abc"}, {"image_mean": [0, 0]}, {"image_mean": [0, 0, "0"]},
     {"image_std": [0, 1, 1]}, {"image_std": [1, -1, 1]}, {"rescale_factor": "x"}, {"do_normalize": []}],
    ids=str,
)  # fmt: skip
def test_an_odd_preprocessor_file(kind: str, content: object, golden: Path, tmp_path: Path) -> None:
    folder = written(kind, golden, tmp_path)
    file = folder / ("video_preprocessor_config.json" if kind == "vjepa2" else "preprocessor_config.json")
    sound = json.loads(file.read_text())
    file.write_text(json.dumps({**sound, **content} if isinstance(content, dict) and content else content))
    refused(folder)


@pytest.mark.parametrize(
    "size",
    [{"size": -5}, {"size": "x"}, {"size": {"height": "x"}}, {"size": 10**9}, {"size": 1.5}],
    ids=str,
)
def test_an_odd_size_of_frames(size: dict[str, object], tmp_path: Path) -> None:
    write_dinov2(tmp_path)
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "do_center_crop": False, **size}))
    refused(tmp_path)
