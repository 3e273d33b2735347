"""How a customer stands from now on: written, audited, and told to the product, in one transaction."""

from sqlalchemy import Connection

from ledger.accounts import Account, account_of, set_standing
from ledger.engine import lock_names
from ops.operator_audit import Actor, audit_act
from runtime.settings import Settings
from workers.product_notices import product_listens, tell_standing


def change_standing(
    connection: Connection,
    settings: Settings,
    account: Account,
    *,
    reason: str,
    now_ms: int,
    by: Actor | None = None,
) -> int | None:
    """Write how a customer stands; the row id of the notice to the product, None where it has no news."""
    lock_names(connection, [f"account:{account.customer_id}"])
    before = account_of(connection, account.customer_id)
    set_standing(connection, account, now_ms)
    audit_id = audit_act(
        connection,
        "accounts.set",
        f"account:{account.customer_id}",
        now_ms=now_ms,
        result=f"{account.standing} ({account.cause or 'no cause'})",
        detail=reason,
        by=by,
    )
    if not product_listens(settings):
        return None
    return tell_standing(connection, before, account, audit_id=audit_id, now_ms=now_ms)
