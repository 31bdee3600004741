"""Build the native kernel with the sanitizers of addresses and undefined behaviour, and test it.

For GCC on Linux. Run: make sanitize. An error of either kind aborts with a report and a non-zero
exit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nanobind

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "sanitize"
TESTS = [f"test_{name}.py" for name in ("kernel", "curve", "filter", "yuv", "average")]

# The interpreter itself is not sanitized: the runtime comes first, and what Python never frees is
# not reported.
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
INSIDE = """
import importlib.util, pathlib, sys, pytest
(path,) = pathlib.Path(sys.argv[1]).glob("_native*.so")
spec = importlib.util.spec_from_file_location("undim.pixels._native", path)
sys.modules["undim.pixels._native"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print("kernel under test:", module.__file__, flush=True)
options = ["-p", "no:cacheprovider", "--capture=sys", "-k", "not memory_beside"]
sys.exit(pytest.main([*options, *sys.argv[2:]]))
"""


def build() -> None:
    definitions = {
        "UNDIM_SANITIZE": "ON",
        "CMAKE_BUILD_TYPE": "RelWithDebInfo",
        "Python_EXECUTABLE": sys.executable,
        "nanobind_DIR": nanobind.cmake_dir(),
    }
    configure = [
        "cmake",
        "-S",
        ROOT,
        "-B",
        BUILD,
        *(f"-D{name}={value}" for name, value in definitions.items()),
    ]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        ["cmake", "--build", BUILD, "--parallel", "2"], check=True, stdout=subprocess.DEVNULL
    )


def runtime(name: str) -> str:
    return subprocess.run(
        ["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()


def main() -> int:
    build()
    preload = os.pathsep.join(map(runtime, ("libasan.so", "libubsan.so", "libstdc++.so.6")))
    environment = os.environ | OPTIONS | {"LD_PRELOAD": preload}
    tests = [ROOT / "tests" / "pixels" / name for name in TESTS]
    return subprocess.run(
        [sys.executable, "-c", INSIDE, BUILD, *tests], env=environment, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
