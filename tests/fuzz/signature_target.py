"""Our signature check against stripe-python's, and both against what was really signed."""

from collections import Counter
from functools import cache
from pathlib import Path

from stripe import SignatureVerificationError, WebhookSignature

from runtime.limits import SIGNATURE_AGE_SECONDS_MAX
from tests.fuzz.signature_differences import DIFFERENCES, difference
from tests.fuzz.signature_grammar import NOW, SignedCase, signed_case
from webhooks.signature import SignatureCheck, SignatureRefused, Verified


class _Window:
    """stripe-python's tolerance such that its clock, whatever it shows, stands for `NOW`."""

    def __rsub__(self, _real_now: float) -> int:
        return NOW - SIGNATURE_AGE_SECONDS_MAX


_WINDOW = _Window()


class SignatureTarget:
    """Nothing forged is accepted, and the two checks differ only where it is listed."""

    packages = ("webhooks",)

    def __init__(self, _folder: Path) -> None:
        self.counts: Counter[str] = Counter({"accepted": 0, "forged": 0})

    def close(self) -> None:
        """Nothing is open."""

    def missing(self) -> list[str]:
        """Listed differences that did not occur."""
        return [one.name for one in DIFFERENCES if not self.counts[f"differs: {one.name}"]]

    def seeds(self) -> list[bytes]:
        """The plain case of each set of secrets."""
        return [bytes([number, *bytes(20)]) for number in range(7)]

    def describe(self, data: bytes) -> str:
        """The case and both verdicts."""
        case = signed_case(data)
        return f"{case}\nours: {_ours(case)}\nstripe-python's: {_theirs_accepts(case)}"

    def check(self, data: bytes) -> None:
        """Raise AssertionError for a forgery that is accepted, or a difference that is not listed."""
        case = signed_case(data)
        ours, theirs_accepts = _ours(case), _theirs_accepts(case)
        if ours is not None:
            self.counts["accepted"] += 1
            self.counts["forged"] += not _genuine(case, ours)
            assert _genuine(case, ours), f"a forged delivery was accepted: {ours}"
        if (ours is not None) is theirs_accepts:
            self.counts["agreed"] += 1
            return
        listed = difference(case, ours_accepts=ours is not None)
        assert listed is not None, f"ours: {ours}, stripe-python accepts: {theirs_accepts}"
        self.counts[f"differs: {listed.name}"] += 1


def _genuine(case: SignedCase, verified: Verified) -> bool:
    signed = (case.secrets[verified.secret_index], verified.signed_at, case.body)
    in_window = abs(NOW - verified.signed_at) <= SIGNATURE_AGE_SECONDS_MAX
    return in_window and signed in case.signed


@cache
def _check(secrets: tuple[str, ...]) -> SignatureCheck | None:
    try:
        return SignatureCheck(secrets)
    except ValueError:
        return None


def _ours(case: SignedCase) -> Verified | None:
    check = _check(case.secrets)
    try:
        return None if check is None else check.verify(case.body, case.header, NOW)
    except SignatureRefused:
        return None


def _theirs_accepts(case: SignedCase) -> bool:
    try:
        WebhookSignature.verify_header(case.body, case.header, case.secrets[0], tolerance=_WINDOW)
    except (SignatureVerificationError, UnicodeDecodeError, TypeError):
        return False
    return True
