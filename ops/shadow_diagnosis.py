"""What `redress doctor` says about the terms that `REDRESS_SHADOW_TERMS` names."""

from collections.abc import Iterator
from pathlib import Path

from ops.diagnosis import Diagnosis, Level
from policy.terms_file import TermsError
from workers.shadow_terms import load_shadow


def diagnose_shadow(path: Path | None) -> Iterator[Diagnosis]:
    """Whether the file can be read as terms; nothing when none is named."""
    if path is None:
        return
    try:
        shadow = load_shadow(path)
    except TermsError as refused:
        yield Diagnosis(
            subject="shadow terms",
            level=Level.FAIL,
            found=str(refused),
            mend="mend the file that REDRESS_SHADOW_TERMS names, or unset it",
        )
        return
    if shadow is not None:
        yield Diagnosis(
            subject="shadow terms",
            level=Level.OK,
            found=f"{path.name} ({shadow.terms.version}) decides without effect; `redress policy shadow`",
        )
