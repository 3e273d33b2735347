"""The outbox: whole files or none, the same file for a repeat, and for their owner only."""

from email import message_from_bytes, policy

import pytest

from runtime.email_addresses import Mailbox
from tests.fakes.at_once import at_once
from tests.fakes.notice_rows import ADDRESS, email, put_notice, stored
from workers.carrier_errors import Unreachable
from workers.mail_message import notice_digest
from workers.mail_outbox import MailOutbox

SHOP = Mailbox(name="", address="redress@localhost")


@pytest.fixture
def notice(sqlite_store):
    return stored(sqlite_store, put_notice(sqlite_store, email()))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "var" / "outbox"


def never():
    raise AssertionError("a file cannot be lost on the way")


def test_file(notice, folder):
    """An e-mail becomes a file named by its time and its notice, which mail programs can read."""
    said = MailOutbox(folder, SHOP).carry(notice, never)

    (file,) = folder.iterdir()
    assert f"20260101T120000Z-{notice_digest(notice.key)}.eml" == file.name
    assert f"written to outbox/{file.name}" == said
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert ADDRESS == message["To"].addresses[0].addr_spec
    assert "12.34 USD" in message.get_body(("plain",)).get_content()


def test_owner_only(notice, folder):
    """Nobody but the owner can read the addresses."""
    MailOutbox(folder, SHOP).carry(notice, never)

    (file,) = folder.iterdir()
    assert (0o700, 0o600) == (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777)


def test_repeat(notice, folder):
    """A notice that is written again is the same file, to the byte."""
    outbox = MailOutbox(folder, SHOP)
    outbox.carry(notice, never)
    (file,) = folder.iterdir()
    first = file.read_bytes()

    outbox.carry(notice, never)

    assert [file] == list(folder.iterdir())
    assert first == file.read_bytes()


def test_at_once(notice, folder):
    """Eight writers of one notice at once leave one whole file and nothing else."""
    at_once(lambda outbox: outbox.carry(notice, never), [MailOutbox(folder, SHOP)] * 8)

    (file,) = folder.iterdir()
    assert file.read_bytes().endswith(f"--=_{notice_digest(notice.key)}--\r\n".encode())


def test_no_room(notice, folder, monkeypatch):
    """A disk that takes no more leaves no half file; the notice waits."""

    def no_room(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_room)

    with pytest.raises(Unreachable, match="cannot be written to: No space left on device"):
        MailOutbox(folder, SHOP).carry(notice, never)

    assert [] == list(folder.iterdir())


def test_folder_that_is_none(notice, tmp_path):
    """Where the folder cannot be made, that is told."""
    (tmp_path / "var").write_text("")

    with pytest.raises(Unreachable, match="cannot be written to"):
        MailOutbox(tmp_path / "var" / "outbox", SHOP).carry(notice, never)
