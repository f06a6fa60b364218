"""The reader of a dataset by the name of its layout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from comodo.config import DatasetSettings, VideoSettings
from comodo.errors import LayoutError
from comodo.layouts.opening import open_layout
from tests.support.writers import write_splits


def test_importing_layouts_stays_light() -> None:
    heavy = "{'torch', 'transformers', 'pandas', 'av', 'sklearn', 'numpy', 'h5py', 'scipy', 'pyarrow'}"
    modules = ", ".join(
        f"comodo.layouts.{name}" for name in ("ego4d", "egoexo4d", "uestc", "table", "processed")
    )
    code = f"import sys, {modules}; print({heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ["ego4d", "egoexo4d", "uestc"])
def test_an_imu_only_dataset_needs_neither_video_nor_val(tmp_path: Path, name: str) -> None:
    root = tmp_path
    write_splits(root / "splits", {"train": ["a/a\tx", "b/b\ty"], "test": ["d/d\ty"]})
    settings = DatasetSettings.model_validate({"layout": name, "root": str(root), "video": None})
    alone = open_layout("own", settings).recordings()
    assert [(r.id, r.split, r.video) for r in alone] == [
        ("a/a", "train", None),
        ("b/b", "train", None),
        ("d/d", "test", None),
    ]
    (root / "splits" / "val.txt").write_text("\n")
    assert open_layout("own", settings).recordings() == alone
    seen = settings.model_copy(update={"video": VideoSettings()})
    with pytest.raises(
        LayoutError, match="no recording in split 'val'; each of train, val and test needs some"
    ):
        open_layout("own", seen).recordings()
    (root / "splits" / "test.txt").write_text("\n")
    with pytest.raises(LayoutError, match="no recording in split 'test'; each of train and test needs some"):
        open_layout("own", settings).recordings()
