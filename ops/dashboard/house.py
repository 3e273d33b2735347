"""What the dashboard's one process works with: the parts of each merchant, and the ledger that knows its people.

People belong to the installation, so they are kept in the first merchant's ledger. Which merchant a page is about
stands before its path, `/merchants/NAME/…`, as at the receiver.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from flask import abort, current_app, g, request
from sqlalchemy import Connection

from ledger.audit_log import record
from ledger.engine import Store
from ledger.ledger_owner import ForeignLedger, require_own_ledger
from ops.dashboard.visitor import visitor
from runtime.clock import Clock
from runtime.settings import Settings
from runtime.wiring import Wiring
from webhooks.merchant_doors import PREFIX
from webhooks.wsgi_call import WsgiApplication

ORIGIN: Final = "dashboard"
_MERCHANT: Final = "redress.merchant"
_EXTENSION: Final = "redress"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """`wirings` are by merchant, "" being the environment's own; `kept` is what `remembered.py` keeps."""

    settings: Settings
    clock: Clock
    wirings: Mapping[str, Wiring]
    kept: dict[tuple[str, ...], tuple[float, Any]] = field(default_factory=dict)

    @property
    def people(self) -> Store:
        """Where operators, their sessions and their passkeys are."""
        return self.wirings[""].store


def house() -> House:
    """The house of the request under way."""
    return cast(House, current_app.extensions[_EXTENSION])


def now_ms() -> int:
    """Unix milliseconds by the house's clock."""
    return house().clock.now_ms()


def merchant_name() -> str:
    """Whom the page is about; "" is the first one."""
    return str(request.environ.get(_MERCHANT, ""))


def wiring() -> Wiring:
    """The parts of the merchant that the page is about. Answers 503 when the database is another merchant's."""
    if "wiring" not in g:
        found = house().wirings[merchant_name()]
        try:
            require_own_ledger(found.store, merchant_name())
        except ForeignLedger as foreign:
            abort(503, str(foreign))
        g.wiring = found
    return cast(Wiring, g.wiring)


def write_down(
    connection: Connection,
    action: str,
    object_id: str,
    detail: str | None = None,
    *,
    result: str = "done",
) -> None:
    """Append what the visitor did to the audit log, in the transaction of the act."""
    record(
        connection,
        at_ms=now_ms(),
        actor=visitor().name,
        action=action,
        object_id=object_id,
        result=result,
        origin=ORIGIN,
        detail=detail,
    )


def by_merchant(application: WsgiApplication, names: Iterable[str]) -> WsgiApplication:
    """The application behind a door that takes the merchant from the path; unknown names stay in it and are 404."""
    known = {f"{PREFIX}{name}": name for name in names if name}

    def entered(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        front = "/".join(path.split("/")[:3])
        if front in known and len(path) > len(front):
            environ = {
                **environ,
                _MERCHANT: known[front],
                "SCRIPT_NAME": front,
                "PATH_INFO": path[len(front) :],
            }
        return application(environ, start_response)

    return entered
