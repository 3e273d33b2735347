"""A decision's clauses as plain values, for tests that compare them whole."""

from policy.decision import Decision


def cited(decision: Decision) -> list[tuple[str, bool | None, dict[str, object]]]:
    """Each clause in the order in which it was cited: its id, whether it holds, what was compared."""
    return [
        (result.clause.value, result.holds, dict(result.compared)) for result in decision.clauses
    ]
