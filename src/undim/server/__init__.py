"""`undim serve`: a page for people and a REST API for programs (extra `[serve]`)."""

from undim.server.app import create_app
from undim.server.limits import Limits
from undim.server.listener import server
from undim.server.memory import keep_freed_memory

__all__ = ["Limits", "create_app", "keep_freed_memory", "server"]
