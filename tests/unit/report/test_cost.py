"""The table and figure of what students cost."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from comodo.report.cost import COLUMNS, collect_cost, cost_text, plot_cost


def accuracy(rows: list[tuple[str, str, str, str, float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["experiment", "protocol", "labels_per_class", "scoring", "top1"])
    return table.assign(dataset="d", eval_dataset="d")


def write(folder: Path, name: str, ms: dict[str, float], top1: float | None = 0.5) -> str:
    variants: dict[str, dict[str, float | None]] = {
        variant: {"ms": value, **({} if top1 is None else {"top1": top1})} for variant, value in ms.items()
    }
    for variant in variants:
        if variant != "torch":
            variants[variant] |= {"MB": 1.5, "memory_MB": None}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"parameters": 1000, "macs": 2000, "variants": variants}))
    return str(path)


def test_rows_are_means_over_seeds_beside_their_accuracy(tmp_path: Path) -> None:
    costs = {
        write(tmp_path, "a0", {"torch": 4.0, "onnx": 2.0}): "a",
        write(tmp_path, "a1", {"torch": 8.0, "onnx": 4.0}): "a",
        write(tmp_path, "b0", {"torch": 1.0, "onnx": 0.5}, None): "b",
    }
    table = collect_cost(
        costs,
        accuracy(
            [("a", "anchor", "0", "mean", 0.6), ("a", "anchor", "0", "mean", 0.8), ("a", "anchor", "0", "first", 0.1),
             ("b", "anchor", "0", "mean", 0.4), ("a", "svm", "all", "decision", 0.9), ("a", "svm", "all", "platt", 0.2)]
        ),
    )  # fmt: skip
    assert table.columns.tolist() == COLUMNS
    rows = table.set_index(["experiment", "variant"])
    assert rows.loc[("a", "torch"), "ms"] == 6.0
    assert rows.loc[("a", "onnx"), ["ms", "zero_shot", "svm_all", "top1", "parameters"]].tolist() == [
        3.0,
        0.7,
        0.9,
        0.5,
        1000,
    ]
    assert pd.isna(rows.loc[("b", "onnx"), "top1"])
    assert rows["on_front"].to_dict() == {
        ("a", "torch"): False, ("a", "onnx"): True, ("b", "torch"): False, ("b", "onnx"): True,
    }  # fmt: skip
    text = cost_text(table)
    assert "|" in text
    assert "70" in text
    plot_cost(table, tmp_path / "cost.png")
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


def test_students_without_anchors_are_compared_with_ten_labels(tmp_path: Path) -> None:
    costs = {write(tmp_path, "a", {"torch": 4.0}, None): "a", write(tmp_path, "b", {"torch": 1.0}, None): "b"}
    table = collect_cost(
        costs, accuracy([("a", "svm", "10", "decision", 0.3), ("b", "svm", "10", "decision", 0.4)])
    )
    assert table["on_front"].tolist() == [False, True]
    assert table["svm_10"].tolist() == pytest.approx([0.3, 0.4])
    plot_cost(table, tmp_path / "cost.png")
