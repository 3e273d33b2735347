"""One call of a WSGI application with a request that is read already (PEP 3333)."""

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

from webhooks.answers import Answer

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def call_wsgi(application: WsgiApplication, scope: Any, body: bytes) -> Answer:
    """What `application` answers to the RSGI `scope` with `body`; raises what it raises."""
    response = Response.from_app(application, _environ(scope, body), buffered=True)
    headers = [
        (name.lower(), value)
        for name, value in response.headers.items()
        if name.lower() != "content-length"  # the server counts again
    ]
    return Answer(status=response.status_code, body=response.get_data(), headers=headers)


def _environ(scope: Any, body: bytes) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, value in scope.headers.items():
        # With an underscore two names would become one, and X_Forwarded_For pass for another.
        if "_" not in name:
            key = "HTTP_" + name.upper().replace("-", "_")
            headers[key] = f"{headers[key]},{value}" if key in headers else value
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH", "TRANSFER_ENCODING"):
        headers.pop(f"HTTP_{name}", None)
    server = urlsplit(f"//{scope.server}")
    return {
        **headers,
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "CONTENT_TYPE": scope.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": server.hostname or "",
        "SERVER_PORT": str(server.port or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
