"""The refund terms: each version as customers and as operators read it, what differs, and what others would decide."""

from collections.abc import Sequence
from typing import Final

from flask import Blueprint, abort, render_template

from ledger.operator_tables import Role
from ledger.shadow_verdicts import differing_verdicts, shadow_counts
from ops.backtest.kept_backtests import kept_backtests
from ops.dashboard.house import wiring
from ops.dashboard.listing import ROWS, wanted
from ops.dashboard.page_access import open_to
from ops.policy_page import page_sections
from ops.terms_account import effective_day, terms_document
from ops.terms_differences import differences
from policy.terms_file import Terms, load_every_version
from workers.shadow_terms import load_shadow

terms: Final = Blueprint("terms", __name__, url_prefix="/terms")


@terms.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """The versions, and how the shadow terms compare, if there are any."""
    here = wiring()
    path = here.settings.redress_shadow_terms
    shadow = load_shadow(path)
    counts, differing = [], []
    if shadow is not None:
        with here.store.read() as connection:
            counts = list(shadow_counts(connection, shadow.digest))
            differing = list(differing_verdicts(connection, shadow.digest, ROWS))
    versions = _versions()
    return render_template(
        "terms.html",
        versions=[(one.version, effective_day(one)) for one in reversed(versions)],
        shadow=None if shadow is None or path is None else path.name,
        counts=counts,
        differing=differing,
        backtests=kept_backtests(here.settings.redress_data),
    )


@terms.get("/<version>")
@open_to(Role.VIEWER)
def one(version: str) -> str:
    """One version, in customers' words and in numbers."""
    versions = _versions()
    chosen = _chosen(versions, version)
    document = terms_document(chosen)
    return render_template(
        "terms_version.html",
        version=chosen.version,
        effective=effective_day(chosen),
        sections=page_sections(chosen),
        numbers={
            name: part
            for name, part in document.items()
            if name not in ("version", "effective", "effective_at", "clauses")
        },
        others=[one.version for one in versions if one.version != chosen.version],
    )


@terms.get("/<version>/diff")
@open_to(Role.VIEWER)
def diff(version: str) -> str:
    """What differs between two versions."""
    versions = _versions()
    one_side = _chosen(versions, version)
    other_side = _chosen(versions, wanted("other") or version)
    return render_template(
        "terms_diff.html",
        one=one_side.version,
        other=other_side.version,
        found=differences(one_side, other_side),
    )


def _versions() -> Sequence[Terms]:
    return load_every_version(wiring().settings.redress_terms)


def _chosen(versions: Sequence[Terms], version: str) -> Terms:
    found = [known for known in versions if known.version == version]
    if not found:
        abort(404, f"There is no version {version}.")
    return found[0]
