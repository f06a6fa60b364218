"""Data never become code: what the sources must not call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import ROOT

# of huggingface_hub's mixin, which loads weights into a class that is there
WITHOUT_CODE = {"MOMENTPipeline.from_pretrained", "template.from_pretrained"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize(
    "path", sorted(p for f in ("src", "workflow") for p in (ROOT / f).rglob("*.py")), ids=lambda p: p.name
)
def test_data_never_become_code(path: Path) -> None:
    """No pickle, `eval`, shell or YAML objects in the tree, and no code of a checkpoint."""
    text = path.read_text()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}, (
                ast.unparse(node)
            )
    for name, call in calls(tree):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert name not in {
            "eval",
            "exec",
            "compile",
            "os.system",
            "os.popen",
            "yaml.load",
            "yaml.unsafe_load",
        }, name
        assert name not in {"pd.read_pickle", "h5py.special_dtype", "joblib.load"}, name
        assert given.get("shell", "False") == "False", name
        if name.endswith("from_pretrained") and name not in WITHOUT_CODE:
            assert given.get("trust_remote_code") == "False", name
        if name == "torch.load":
            assert given.get("weights_only") == "True"
        if name == "np.load":
            assert given.get("allow_pickle") == "False"
        if name.endswith("to_pickle"):
            raise AssertionError(name)


def test_rules_build_no_shell_command() -> None:
    """Every rule calls a script: nothing from a table ever stands in a command line."""
    for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]:
        lines = [line.strip() for line in path.read_text().splitlines()]
        assert not {"shell:", "run:"} & set(lines), path
        assert not any(line.startswith(("shell(", "os.system", "eval(", "exec(")) for line in lines), path
