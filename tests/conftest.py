"""Fixtures that several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data sets and oracle numbers that lies beside a checkout, never inside it."""
    if not _SHARED.is_dir():
        pytest.skip(f"the shared data folder is absent: {_SHARED}")
    return _SHARED
