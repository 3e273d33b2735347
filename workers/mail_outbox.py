"""The outbox: where no mail server is set, each e-mail becomes a file that mail programs can open.

A file is whole or not there. Its name comes from the notice, so a repeat writes the same file again and
nothing can be lost or doubled on the way.
"""

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ledger.notices import Notice
from runtime.email_addresses import Mailbox
from workers.carrier_errors import Unreachable
from workers.mail_message import mail_message, notice_digest


class MailOutbox:
    """A folder of `.eml` files for its owner only: they hold customers' addresses."""

    def __init__(self, folder: Path, sender: Mailbox) -> None:
        """`folder` is made when the first e-mail is written."""
        self._folder = folder
        self._sender = sender

    def carry(self, notice: Notice, leaving: Callable[[], None]) -> str:  # noqa: ARG002 - nothing can be lost on the way
        """Write the e-mail's file; returns its name. Raises Unreachable when the disk does not take it."""
        content = mail_message(notice, self._sender).as_bytes()
        name = outbox_name(notice.key, notice.created_ms)
        try:
            self._write(name, content)
        except OSError as error:
            raise Unreachable(f"the outbox cannot be written to: {error.strerror}") from None
        return f"written to outbox/{name}"

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made with mode 0600. Its suffix keeps half a file from being taken for an e-mail.
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as part:
            try:
                part.write(content)
                part.flush()
                os.fsync(part.fileno())
                Path(part.name).replace(self._folder / name)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def outbox_name(key: str, created_ms: int) -> str:
    """The file of a notice in the outbox."""
    created = datetime.fromtimestamp(created_ms / 1000, UTC)
    return f"{created:%Y%m%dT%H%M%SZ}-{notice_digest(key)}.eml"
