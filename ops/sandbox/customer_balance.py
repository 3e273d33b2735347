"""A customer's balance (https://docs.stripe.com/billing/customer/balance): a credit is negative, in minor units.

An invoice whose total is below nothing leaves its amount there; the next one uses what lies there when it is
finalized. Each change is an entry, as in https://docs.stripe.com/api/customer_balance_transactions.
"""

from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_errors import bad_parameter
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json

_KIND = "customer_balance_transactions"


def create(call: Call) -> Json:
    """Write an adjustment: a positive amount takes from a credit, a negative one gives one."""
    customer = call.fetch("customers")
    given = call.params
    if not given["amount"]:
        raise bad_parameter("The amount must not be zero.", "amount")
    entry = book(call, customer, given["amount"], "adjustment")
    entry |= {
        "description": given.get("description"),
        "metadata": merged_metadata({}, given.get("metadata")),
    }
    return call.save(_KIND, entry)


def list_all(call: Call) -> Json:
    """List a customer's entries, newest first."""
    call.params["customer"] = call.fetch("customers")["id"]
    return list_objects(call, _KIND, "customer")


def book(
    call: Call,
    customer: Json,
    amount_minor: int,
    kind: str,
    *,
    invoice: str | None = None,
    credit_note: str | None = None,
) -> Json:
    """Change the balance by an entry; emits customer.updated."""
    balance = customer["balance"] + amount_minor
    call.update("customers", customer, "customer.updated", balance=balance)
    entry: Json = {
        "id": call.new_id("cbtxn"),
        "object": "customer_balance_transaction",
        "amount": amount_minor,
        "checkout_session": None,
        "created": call.now,
        "credit_note": credit_note,
        "currency": customer["currency"] or "usd",
        "customer": customer["id"],
        "description": None,
        "ending_balance": balance,
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }
    return call.save(_KIND, entry)


def settle(call: Call, invoice: Json) -> None:
    """Have an invoice that is being finalized use the balance, or leave its credit there; in place."""
    customer = call.fetch("customers", invoice["customer"])
    balance, total = customer["balance"], invoice["total"]
    used = total if total < 0 else min(max(-balance, 0), total)
    invoice |= {"starting_balance": balance, "ending_balance": balance + used}
    if used:
        amount_due = max(total - used, 0)
        invoice |= {"amount_due": amount_due, "amount_remaining": amount_due}
        book(call, customer, used, "applied_to_invoice", invoice=invoice["id"])


def give_back(call: Call, invoice: Json) -> None:
    """Undo what a voided invoice did to the balance."""
    if invoice["ending_balance"] is None:
        return
    used = invoice["ending_balance"] - invoice["starting_balance"]
    if used:
        customer = call.fetch("customers", invoice["customer"])
        book(call, customer, -used, "unapplied_from_invoice", invoice=invoice["id"])
