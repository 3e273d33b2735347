"""The e-mail of one notice: a pure function of its row and the sender, so that a repeat is the same to the byte.

Source: RFC 5322 (the format), RFC 3834 (`Auto-Submitted`, which keeps out-of-office answers away).
"""

import hashlib
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from ledger.notices import Notice
from runtime.email_addresses import Mailbox
from workers.notice_words import words_of


def notice_digest(key: str, merchant: str = "") -> str:
    """32 hex digits that stand for a notice's key: whoever has seen them knows a repeat.

    Keys count from 1 in each merchant's ledger, so a further one's are told apart by its name.
    """
    named = f"{merchant}|{key}" if merchant else key
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def mail_message(notice: Notice, sender: Mailbox, merchant: str = "") -> EmailMessage:
    """The e-mail, plain and HTML. Raises ValueError where a header would hold a line break.

    Its bytes are ASCII, unless the recipient's address is not (SMTPUTF8).
    """
    if notice.recipient is None:
        raise ValueError("a notice without a recipient is no e-mail")
    words = words_of(notice)
    digest = notice_digest(notice.key, merchant)
    # The recipient is checked at birth; RFC 6532's form is needed only for one beyond ASCII.
    form = policy.SMTP if notice.recipient.isascii() else policy.SMTPUTF8
    message = EmailMessage(policy=form.clone(cte_type="7bit"))
    message["Message-ID"] = f"<{digest}@{sender.domain}>"
    message["Date"] = format_datetime(datetime.fromtimestamp(notice.created_ms / 1000, UTC))
    message["From"] = Address(display_name=sender.name, addr_spec=sender.address)
    # In two parts, because the whole is refused when it is not ASCII.
    username, _, domain = notice.recipient.rpartition("@")
    message["To"] = Address(username=username, domain=domain)
    message["Subject"] = words.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(words.plain, cte="quoted-printable")
    message.add_alternative(words.html, subtype="html", cte="quoted-printable")
    # By default it is drawn at random.
    message.set_boundary(f"=_{digest}")
    return message
