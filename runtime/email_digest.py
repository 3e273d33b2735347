"""An e-mail address, an IP address or a device's id as a digest: enough to find it again, and not the thing itself.

It is not keyed: who can guess an address can tell whether it is here. What it keeps out of the ledger
is the list of addresses itself; the product and Stripe have those.
"""

import hashlib
from typing import Final

_DOMAIN: Final = "redress e-mail address\n"


def email_digest(address: str) -> str:
    """64 hexadecimal digits; the same for an address in another case or with blanks around it."""
    return _digest(_DOMAIN, address)


def digest_of(kind: str, value: str) -> str:
    """The same of anything else that names a person's address or device; one value differs by its `kind`."""
    return _digest(f"redress {kind}\n", value)


def _digest(domain: str, value: str) -> str:
    return hashlib.sha256(f"{domain}{value.strip().casefold()}".encode()).hexdigest()
