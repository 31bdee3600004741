"""The wheel, built from the sdist and run where nothing of the checkout can be seen."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip(
    "scikit_build_core", reason="the build backend is not installed: pip install 'undim[dev]'"
)
pytest.importorskip("nanobind", reason="nanobind is not installed: pip install 'undim[dev]'")

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="lending NumPy by a link needs a privilege on Windows"
)
ROOT = Path(__file__).resolve().parents[1]
SMOKE = Path(__file__).with_name("wheel_smoke.py")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    code = f"import scikit_build_core.build as backend; backend.build_sdist({str(folder)!r})"
    run(sys.executable, "-c", code, cwd=ROOT)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def smoke(sdist: Path, folder: Path, **environment: str) -> tuple[str, str]:
    """Build a wheel, install it alone and run it: its name, and what did the work.

    Building from the sdist shows that it is whole, and writes nothing into the checkout.
    """
    with tarfile.open(sdist) as tar:
        tar.extractall(folder, filter="data")
    sources = folder / sdist.name.removesuffix(".tar.gz")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(
        *pip,
        "wheel",
        ".",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        cwd=sources,
        **environment,
    )
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "empty", cwd=folder)
    python = folder / "empty" / "bin" / "python"
    target = run(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder
    ).strip()
    run(*pip, "install", "--no-deps", "--no-index", "--target", target, wheel, cwd=folder)
    lend_numpy(Path(target))
    return wheel.name, run(python, "-I", SMOKE, cwd=folder).strip()


def lend_numpy(target: Path) -> None:
    """NumPy alone is lent to the empty environment, so that the test needs no network."""
    package = Path(np.__file__).parent
    for name in ("numpy", "numpy.libs"):
        if (package.parent / name).is_dir():
            (target / name).symlink_to(package.parent / name, target_is_directory=True)


def test_the_wheel_runs_the_kernel_in_an_empty_environment(sdist: Path, tmp_path: Path) -> None:
    name, worker = smoke(sdist, tmp_path)
    assert worker == "native"
    assert name.endswith(f"{sysconfig.get_platform().replace('-', '_').replace('.', '_')}.whl")


def test_without_a_compiler_the_wheel_is_pure_python(sdist: Path, tmp_path: Path) -> None:
    name, worker = smoke(
        sdist, tmp_path, CC=str(tmp_path / "no-compiler"), CXX=str(tmp_path / "no-compiler")
    )
    assert worker == "numpy"
    assert name.endswith("-py3-none-any.whl")
