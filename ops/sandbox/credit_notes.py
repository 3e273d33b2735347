"""Credit notes (https://docs.stripe.com/api/credit_notes): what an invoice asked too much.

On an open invoice a note lowers what is due. On a paid one it says where the money went: refunds, the
customer's balance, or out of band; the parts add up to the note. Amounts are minor units.
"""

from ops.sandbox import api_refunds, customer_balance, invoice_settlement
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_errors import bad_parameter, invalid
from ops.sandbox.api_lists import list_objects, sublist
from ops.sandbox.book_tables import Json

_NOTABLE = ("open", "paid")


def create(call: Call) -> Json:
    """Write a note; emits credit_note.created and, for the invoice, invoice.updated."""
    invoice = call.fetch("invoices", call.params["invoice"], "invoice")
    if invoice["status"] not in _NOTABLE:
        raise invalid(f"Credit notes cannot be created for invoices that are {invoice['status']}.")
    amount = _amount(call)
    left = invoice["total"] - sum(note["amount"] for note in _of_invoice(call, invoice))
    if not 0 < amount <= left:
        raise invalid(f"The credit note amount ({amount}) must be 1 to {left}.", "amount")
    note = _render(call, invoice, amount)
    if invoice["status"] == "open":
        _lower(call, invoice, amount)
    else:
        _give_back(call, invoice, note)
    call.save("credit_notes", note)
    call.emit("credit_note.created", note)
    return note


def retrieve(call: Call) -> Json:
    """Return one credit note."""
    return call.fetch("credit_notes")


def list_all(call: Call) -> Json:
    """List credit notes; filters: invoice, customer, created."""
    return list_objects(call, "credit_notes", "invoice", "customer")


def _of_invoice(call: Call, invoice: Json) -> list[Json]:
    return list(call.book.newest_first("credit_notes", {"invoice": invoice["id"]}))


def _amount(call: Call) -> int:
    given = call.params
    if "lines" in given:
        raise bad_parameter("The sandbox takes a credit note's amount, not its lines.", "lines")
    if "amount" not in given:
        raise bad_parameter("Missing required param: amount.", "amount", "parameter_missing")
    return int(given["amount"])


def _lower(call: Call, invoice: Json, amount: int) -> None:
    due, remaining = invoice["amount_due"] - amount, invoice["amount_remaining"] - amount
    if remaining < 0:
        raise invalid("The credit note is larger than what is left to be paid.", "amount")
    payment = invoice_settlement.default_payment(call, invoice)
    if payment is not None:
        intent = call.fetch("payment_intents", payment["payment"]["payment_intent"])
        call.save("payment_intents", intent | {"amount": remaining})
        call.save("invoice_payments", payment | {"amount_requested": remaining})
    noted = invoice["pre_payment_credit_notes_amount"] + amount
    fields = {"amount_due": due, "amount_remaining": remaining}
    call.update(
        "invoices",
        invoice,
        "invoice.updated",
        pre_payment_credit_notes_amount=noted,
        **fields,
    )
    if remaining == 0:
        invoice_settlement.cancel_open(call, invoice)
        invoice_settlement.mark_paid(call, invoice)


def _give_back(call: Call, invoice: Json, note: Json) -> None:
    given = call.params
    refunds = [_linked(call, invoice, wanted) for wanted in given.get("refunds", [])]
    names = ("credit_amount", "refund_amount", "out_of_band_amount")
    credit, refund, elsewhere = (given.get(name, 0) for name in names)
    total = sum(one["amount_refunded"] for one in refunds) + credit + refund + elsewhere
    if total != note["amount"]:
        raise invalid(
            f"The sum of credit, refund and out of band ({total}) must be the amount of the credit"
            f" note ({note['amount']})."
        )
    if refund:
        charge = _charge_of(call, invoice)
        made = api_refunds.make(call, charge, refund, None, {})
        refunds.append({"amount_refunded": refund, "refund": made["id"], "type": "refund"})
    if credit:
        customer = call.fetch("customers", invoice["customer"])
        entry = customer_balance.book(
            call, customer, -credit, "credit_note", invoice=invoice["id"], credit_note=note["id"]
        )
        note["customer_balance_transaction"] = entry["id"]
    note |= {"out_of_band_amount": elsewhere or None, "refunds": refunds, "type": "post_payment"}
    note["post_payment_amount"] = note["amount"]
    noted = invoice["post_payment_credit_notes_amount"] + note["amount"]
    call.update("invoices", invoice, "invoice.updated", post_payment_credit_notes_amount=noted)


def _linked(call: Call, invoice: Json, wanted: Json) -> Json:
    refund = call.fetch("refunds", wanted.get("refund", ""), "refunds[0][refund]")
    if refund["charge"] != _charge_of(call, invoice)["id"]:
        raise invalid("The refund is of another payment than the invoice's.", "refunds[0][refund]")
    amount = wanted.get("amount_refunded", refund["amount"])
    if amount > refund["amount"]:
        raise invalid("More than was refunded.", "refunds[0][amount_refunded]")
    return {"amount_refunded": amount, "refund": refund["id"], "type": "refund"}


def _charge_of(call: Call, invoice: Json) -> Json:
    for payment in call.book.newest_first("invoice_payments", {"invoice": invoice["id"]}):
        if payment["status"] == "paid":
            intent = call.fetch("payment_intents", payment["payment"]["payment_intent"])
            return call.fetch("charges", intent["latest_charge"])
    raise invalid("The invoice was not paid by a charge, so nothing can be refunded.")


def _render(call: Call, invoice: Json, amount: int) -> Json:
    note_id = call.new_id("cn")
    return {
        "id": note_id,
        "object": "credit_note",
        "amount": amount,
        "amount_shipping": 0,
        "created": call.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": call.now,
        "invoice": invoice["id"],
        "lines": sublist(f"/v1/credit_notes/{note_id}/lines", []),
        "livemode": False,
        "memo": call.params.get("memo"),
        "metadata": merged_metadata({}, call.params.get("metadata")),
        "number": f"{invoice['number']}-CN-{len(_of_invoice(call, invoice)) + 1:02}",
        "out_of_band_amount": None,
        "pdf": f"https://pay.example/credit_notes/{note_id}.pdf",
        "post_payment_amount": 0,
        "pre_payment_amount": amount if invoice["status"] == "open" else 0,
        "pretax_credit_amounts": [],
        "reason": call.params.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": [],
        "type": "pre_payment",
        "voided_at": None,
    }
