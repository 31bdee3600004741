"""The page as a static site: ONNX Runtime's WebAssembly build takes the place of the server."""

from __future__ import annotations

import hashlib
import json
import lzma
import shutil
from collections.abc import Mapping
from pathlib import Path

from undim.errors import OutputError
from undim.model.pretrained import model_path
from undim.model.runtime import CurveEstimator

WEB = Path(__file__).parent

# A static host sends no headers of its own, so the page itself names what it may load: this site
# alone.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob:; "
    "worker-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


def export_page(folder: str | Path, models: Mapping[str, str | Path]) -> Path:
    """Write the site with these models, name to model, the first one by default, into a new or
    empty folder.

    Raises OutputError where the folder holds something already, ModelError for what is no undim
    model.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists already; expected the name of a new or empty folder")
    described = [_describe(name, model) for name, model in models.items()]
    (folder / "models").mkdir(parents=True)
    for model, description in zip(models.values(), described, strict=True):
        shutil.copyfile(model_path(model), folder / str(description["path"]))
    (folder / "models.json").write_text(json.dumps(described))
    for part in ("assets", "device"):
        shutil.copytree(WEB / part, folder / part)
    for packed in folder.rglob("*.xz"):
        packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
        packed.unlink()
    (folder / "index.html").write_text(_index(), encoding="utf-8")
    _write_service_worker(folder)
    return folder


def _describe(name: str, model: str | Path) -> dict[str, str | int]:
    info = CurveEstimator(model, device="cpu").info
    return {
        "name": name,
        "path": f"models/{name}.onnx",
        "iterations": info.iterations,
        "maps_size": info.maps_size,
        "version": info.version,
        "licence": info.licence,
        "training_data": info.training_data,
    }


def _index() -> str:
    policy = f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">'
    page = (WEB / "index.html").read_text(encoding="utf-8")
    page = page.replace('data-backend="server"', 'data-backend="device"')
    return page.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{policy}')


def _write_service_worker(folder: Path) -> None:
    """The service worker with the list of all files to keep, and a version that changes when one of
    them does.
    """
    worker = folder / "device" / "sw.js"
    template = worker.read_text(encoding="utf-8")
    worker.unlink()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256(template.encode())
    for path in files:
        digest.update(path.read_bytes())
    names = ["./", *(path.relative_to(folder).as_posix() for path in files)]
    version = json.dumps(digest.hexdigest()[:16])
    head = f"const VERSION = {version};\nconst FILES = {json.dumps(names)};\n\n"
    (folder / "sw.js").write_text(head + template, encoding="utf-8")
