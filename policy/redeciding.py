"""Any stored decision made anew from its own facts, whatever it was about."""

from collections.abc import Callable, Mapping

from policy.canonical_json import Json
from policy.checks import MalformedFactError
from policy.clearing import redecide_clearing
from policy.credit_restoration import redecide_restoration
from policy.decision import Decision
from policy.disputes import redecide_dispute
from policy.duplicate_decisions import redecide
from policy.fraud_scores import redecide_score
from policy.fraud_warnings import redecide_warning
from policy.outage_decisions import redecide_outage
from policy.request_decisions import redecide_request
from policy.rulings import redecide_ruling
from policy.terms_file import Terms
from policy.wrong_plan_charges import redecide_wrong_charge

#: The key that only the facts of one kind of decision have → how that kind is made anew.
_BY_KEY: Mapping[str, Callable[[Mapping[str, Json], Terms], Decision]] = {
    "finding": redecide,
    "request": redecide_request,
    "credit_claim": redecide_restoration,
    "ruling": redecide_ruling,
    "outage": redecide_outage,
    "plan_charge": redecide_wrong_charge,
    "warning": redecide_warning,
    "fraud": redecide_score,
    "dispute": redecide_dispute,
    "clearing": redecide_clearing,
}


def redecide_any(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision that `facts` lead to under `terms`; with the terms of then, the decision of then.

    Raises MalformedFactError for facts that no decision of ours could have had.
    """
    found = [made_anew for key, made_anew in _BY_KEY.items() if key in facts]
    if len(found) != 1:
        wanted = ", ".join(_BY_KEY)
        raise MalformedFactError(f"facts must have exactly one of the keys: {wanted}")
    return found[0](facts, terms)
