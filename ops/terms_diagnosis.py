"""What `redress doctor` says about the terms: those in force, and those that `REDRESS_SHADOW_TERMS` names."""

from collections.abc import Iterator
from pathlib import Path

from ops.diagnosis import Diagnosis, Level
from policy.terms_file import TermsError, load_every_version
from workers.shadow_terms import load_shadow


def diagnose_terms(folder: Path | None) -> Iterator[Diagnosis]:
    """Whether every version can be read, and which one is the newest."""
    try:
        versions = load_every_version(folder)
    except TermsError as refused:
        yield Diagnosis(
            subject="refund terms",
            level=Level.FAIL,
            found=str(refused),
            mend="mend the file, or set REDRESS_TERMS to another folder; until then nothing is decided",
        )
        return
    where = "redress brings them" if folder is None else str(folder)
    yield Diagnosis(
        subject="refund terms",
        level=Level.OK,
        found=f"{len(versions)} version(s), the newest of {versions[-1].version} ({where})",
    )


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
