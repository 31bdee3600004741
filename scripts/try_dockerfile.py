"""Go through the Dockerfile's steps without Docker, as far as that can be done.

Its context, its installation into a fresh environment, its entry point, its health check.

    python scripts/try_dockerfile.py

Not tried: the base image, apt-get, the user, and anything the engine itself does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PORT = 8000  # of the health check


def main() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    with tempfile.TemporaryDirectory() as folder:
        context, venv = Path(folder, "src"), Path(folder, "undim")
        context.mkdir()
        copy_context(text, context)
        (install,) = re.findall(r"^RUN (python -m venv .*)$", text, re.M)
        run(install.replace("python", sys.executable, 1).replace("/opt/undim", str(venv)), context)
        environment = os.environ | {
            "PATH": f"{venv}/bin:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        (health,), (entry,) = (
            re.findall(rf"{word} (\[.*\])$", text, re.M) for word in ("CMD", "^ENTRYPOINT")
        )
        server = subprocess.Popen(json.loads(entry), env=environment, cwd=folder)
        try:
            for _ in range(60):
                time.sleep(1)
                if (
                    subprocess.run(
                        json.loads(health), env=environment, capture_output=True
                    ).returncode
                    == 0
                ):
                    break
            else:
                sys.exit("the health check never passed")
        finally:
            server.terminate()
            server.wait()
        size = sum(path.stat().st_size for path in venv.rglob("*") if path.is_file())
        print(f"installed {size / 1e6:.0f} MB, served on port {PORT}, healthy")


def copy_context(text: str, context: Path) -> None:
    """What COPY takes, which must be what .dockerignore lets through."""
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")
    }
    wanted = {
        name
        for step in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M)
        for name in step.split()
    }
    if wanted != allowed:
        sys.exit(f"COPY takes {sorted(wanted)}, .dockerignore lets through {sorted(allowed)}")
    for name in wanted:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, context / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, context / name)


def run(command: str, folder: Path) -> None:
    print(f"+ {command}")
    subprocess.run(command, shell=True, check=True, cwd=folder)


if __name__ == "__main__":
    main()
