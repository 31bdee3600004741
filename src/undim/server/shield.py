"""What stands before every route: who may ask, and which headers every answer carries."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi.security import HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from undim.server.problems import Problem
from undim.server.telemetry import Telemetry

# The page loads from and talks to this server alone; blob: is a picture that the browser holds.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "worker-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Cache-Control": "no-cache",  # an upgrade must not mix its page with a kept script
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Shield:
    """ASGI middleware: refuses foreign hosts and sites, adds the headers, turns faults into
    answers, counts them.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], telemetry: Telemetry) -> None:
        self.app = app
        self.hosts = {host.lower() for host in hosts}
        self.telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0
        if scope["method"] == "HEAD":
            scope = {
                **scope,
                "method": "GET",
            }  # the same answer; uvicorn, which sees the HEAD, leaves the body out

        async def send_shielded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            refuse_foreign(scope["method"], Headers(scope=scope), self.hosts)
            await self.app(scope, receive, send_shielded)
        except Problem as problem:
            await problem.response()(scope, receive, send_shielded)
        except Exception:
            if status:
                raise  # the answer has begun: uvicorn logs the fault and ends the connection
            logging.getLogger("undim.server").exception("a fault of the server")
            fault = Problem("internal", "this is a fault of the server; its log says more")
            await fault.response()(scope, receive, send_shielded)
        finally:
            route = getattr(scope.get("route"), "path", "") or "other"
            self.telemetry.record(route, status, time.perf_counter() - begin)


def refuse_foreign(method: str, headers: Headers, hosts: Collection[str]) -> None:
    """Keeps other sites' pages, open in the user's own browser, from using a server on loopback.

    DNS rebinding: the foreign page's own name points here, so a `Host` that is a name must be
    known; an address cannot be rebound. Cross-site posts: the browser says whose page it posts for
    in `Sec-Fetch-Site` or `Origin`.
    """
    host = headers.get("host", "")
    if "*" not in hosts and not _is_address_or_known(host, hosts):
        raise Problem(
            "wrong-host",
            f"no host {host!r} here; start the server with --allow-host for each of its names",
        )
    if method == "GET":
        return
    site, origin = headers.get("sec-fetch-site", "none"), headers.get("origin")
    if site not in ("same-origin", "none") or (
        origin is not None and origin.partition("://")[2] != host
    ):
        raise Problem(
            "cross-site",
            "a page of another site may not use this server; open the server's own page",
        )


def _is_address_or_known(host: str, hosts: Collection[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name in ("localhost", *hosts):
            return True
        ip_address(name)
    except ValueError:
        return False
    return True


class BearerToken(HTTPBearer):
    """FastAPI dependency: lets a request pass that carries the token."""

    def __init__(self, token: str) -> None:
        super().__init__(auto_error=False)
        self.token = token

    async def __call__(self, request: Request) -> None:  # type: ignore[override]  # nobody reads the credentials
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            sent.encode(), self.token.encode()
        ):
            detail = (
                "send `Authorization: Bearer TOKEN` with the token that the server was started with"
            )
            raise Problem("unauthorized", detail, {"WWW-Authenticate": "Bearer"})
