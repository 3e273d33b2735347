"""What opens a door once or for a while: made of chance, handed out once, kept as a digest."""

import hashlib
import secrets
from typing import Final

_BYTES: Final = 32


def new_secret() -> str:
    """256 bits of chance, in the letters of URLs."""
    return secrets.token_urlsafe(_BYTES)


def digest_of(secret: str) -> str:
    """What is kept of a secret and looked up by it. No salt is needed, because nobody can guess one."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
