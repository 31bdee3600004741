"""Where numbers come from."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from undim.measure import provenance
from undim.measure.provenance import commit, fingerprint


def test_the_fingerprint_knows_names_contents_and_order(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file, text in zip(files, ("one", "two", "two"), strict=True):
        file.write_text(text)
    prints = {
        fingerprint(chosen) for chosen in (files[:2], files[1::-1], files[::2], files[:1], files)
    }
    assert len(prints) == 5
    before = fingerprint(files)
    files[2].write_text("three")
    assert fingerprint(files) != before


def test_the_commit_is_that_of_this_checkout_or_none() -> None:
    if not (Path(__file__).resolve().parents[2] / ".git").exists():
        pytest.skip("not a checkout")
    assert re.fullmatch(r"[0-9a-f]{40}( with changes)?", commit() or "")


def test_an_installation_inside_another_checkout_has_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert commit() is None
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert commit() is None


def test_versions_and_machine_are_named() -> None:
    facts = provenance.provenance()
    assert {"undim", "python", "numpy", "pillow", "onnxruntime", "machine", "time"} <= facts.keys()
    assert all(facts.values())


def test_onnx_runtime_may_come_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    known = provenance.metadata.version

    def version(name: str) -> str:
        assert name != "onnxruntime", "onnxruntime-gpu takes its place for CUDA"
        return known(name)

    monkeypatch.setattr(provenance.metadata, "version", version)
    assert provenance.libraries()["onnxruntime"]
