"""An e-mail address as a digest: enough to find it again, and no address.

It is not keyed: who can guess an address can tell whether it is here. What it keeps out of the ledger
is the list of addresses itself; the product and Stripe have those.
"""

import hashlib
from typing import Final

_DOMAIN: Final = "redress e-mail address\n"


def email_digest(address: str) -> str:
    """64 hexadecimal digits; the same for an address in another case or with blanks around it."""
    return hashlib.sha256(f"{_DOMAIN}{address.strip().casefold()}".encode()).hexdigest()
