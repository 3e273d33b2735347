"""What customers read: whole e-mails, word for word, and no way for a fact to become markup or a header."""

from email import message_from_bytes, policy

import pytest
from jinja2 import UndefinedError

from policy.canonical_json import dump_canonical
from policy.checks import MalformedFactError
from policy.request_facts import IntakeField
from runtime.email_addresses import Mailbox
from tests.fakes.notice_rows import ADDRESS, CONTENT, email, put_notice, stored, webhook
from workers.mail_message import mail_message, notice_digest
from workers.notice_words import INTAKE_WORDS, TEMPLATES, one_line, words_of

SHOP = Mailbox(name="Shop & Söhne", address="refunds@shop.example")
HOSTILE = "x\r\nBcc: other@example.org\r\n\r\n<script>alert(1)</script>\u2028\u202e\x00y"

APPEAL = """\
If you see it otherwise, answer this e-mail, leave the case's number in the subject, and tell us what we
did not know. A person then looks at it a second time; if you still disagree, you can have it passed on.
"""
TERMS = "\nCase 17, under the refund terms of 2025-09-14\n"
REASONS = [{"id": "X-LATE", "title": "Asked for too late", "holds": True}]
UNMET = [{"id": "USE-PACK", "title": "Little of the credit pack was used", "holds": False}]
OPEN = [{"id": "X-USE", "title": "Too many of the credits were used", "holds": None}]

GOLDEN = [
    pytest.param(
        {},
        "Your refund of 12.34 USD is approved (case 17)",
        f"""\
Hello,

you get 12.34 USD back.

What decided it:
- Little of the credit pack was used
- Who bears the payment processor's fees

The money goes to the original payment method, in the currency that you paid in. It arrives within
5 to 10 business days; how fast is up to your bank. You need not do anything.

What is left of the credits that this payment bought is taken back with it.

{APPEAL}{TERMS}""",
        id="refund approved",
    ),
    pytest.param(
        {
            "amount": {"amount_minor": 500, "currency": "jpy"},
            "credits_revoked": False,
            "subscription_ends": True,
            "arrival_days": [7, 7],
            "reasons": REASONS,
        },
        "Your refund of 500 JPY is approved (case 17)",
        f"""\
Hello,

you get 500 JPY back.

What decided it:
- Asked for too late

The money goes to the original payment method, in the currency that you paid in. It arrives within
7 business days; how fast is up to your bank. You need not do anything.

The subscription that it was for ends.

{APPEAL}{TERMS}""",
        id="refund that ends a subscription",
    ),
    pytest.param(
        {"template": "refund_denied", "reasons": [*REASONS, *UNMET]},
        "Your request could not be granted (case 17)",
        f"""\
Hello,

we have looked at your request, and nothing goes back for it.

What decided it:
- Asked for too late
- Little of the credit pack was used: this is not the case

{APPEAL}{TERMS}""",
        id="refund denied",
    ),
    pytest.param(
        {"template": "refund_denied", "reasons": [], "given_back": "money"},
        "Your request could not be granted (case 17)",
        f"""\
Hello,

we have looked at your request, and nothing goes back for it.

What decided it:
- The payment was given back before, or your bank has settled it with you

{APPEAL}{TERMS}""",
        id="money came back before",
    ),
    pytest.param(
        {
            "template": "refund_denied",
            "reasons": [],
            "explanation": "You downloaded all pictures.\r\n\tThey are fine.",
        },
        "Your request could not be granted (case 17)",
        f"""\
Hello,

we have looked at your request, and nothing goes back for it.

A person decided it, and says:
You downloaded all pictures. They are fine.

{APPEAL}{TERMS}""",
        id="denied by a person",
    ),
    pytest.param(
        {"template": "refund_denied", "reasons": [], "given_back": "credits"},
        "Your request could not be granted (case 17)",
        f"""\
Hello,

we have looked at your request, and nothing goes back for it.

What decided it:
- The credits came back to your account before

{APPEAL}{TERMS}""",
        id="credits came back before",
    ),
    pytest.param(
        {"template": "request_review", "reasons": OPEN},
        "We are looking at your request (case 17)",
        f"""\
Hello,

a person looks at your request and decides within 3 business days.

What is still open:
- Too many of the credits were used

If you have something that helps, answer this e-mail and leave the case's number in the subject.
{TERMS}""",
        id="under review",
    ),
    pytest.param(
        {"template": "case_question", "question": "Which pictures\r\n\tfailed?"},
        "A question about your request (case 17)",
        f"""\
Hello,

a person looks at your request and would like to know:

Which pictures failed?

Please answer this e-mail and leave the case's number in the subject.
{TERMS}""",
        id="question",
    ),
    pytest.param(
        {"template": "request_review", "missing": ["purchase_date", "reason"], "reasons": OPEN},
        "We are looking at your request (case 17)",
        f"""\
Hello,

before we can decide about your request, we need to know from you:
- the day of the purchase
- why you would like the money back

Please answer this e-mail and leave the case's number in the subject. It is decided once we have that.
{TERMS}""",
        id="something is missing",
    ),
    pytest.param(
        {"template": "credits_restored", "credits_restored": 40, "reasons": REASONS},
        "40 credits are back in your account (case 17)",
        f"""\
Hello,

we have put 40 credits back into your account. You can use them now.

What decided it:
- Asked for too late

{APPEAL}{TERMS}""",
        id="credits restored",
    ),
]


@pytest.fixture
def noticed(sqlite_store):
    """Makes the notice of an e-mail as it comes from its row."""

    def make(notice=None, **content):
        return stored(sqlite_store, put_notice(sqlite_store, notice or email(**content)))

    return make


@pytest.mark.parametrize(("content", "subject", "plain"), GOLDEN)
def test_plain_text(noticed, content, subject, plain):
    """Each kind of e-mail says amount, method, time, reasons and how to appeal, exactly in these words."""
    words = words_of(noticed(**content))

    assert (subject, plain) == (words.subject, words.plain)


@pytest.mark.parametrize(("content", "subject", "plain"), GOLDEN)
def test_html_says_the_same(noticed, content, subject, plain):  # noqa: ARG001 - one table for both
    """The HTML part has the plain part's words, in its order."""
    html = words_of(noticed(**content)).html

    text = one_line(
        html.partition("<body")[2]
        .partition(">")[2]
        .replace("<li>", "- ")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
    )
    for tag in ("p", "ul", "li", "strong", "body", "html"):
        text = text.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    text = text.replace('<p style="color: #555">', "")
    assert one_line(plain) == one_line(text)


def test_every_template_is_tried():
    """Each template stands in the table above, in both forms."""
    subjects = {
        path.stem
        for path in TEMPLATES.glob("*.txt")
        if path.read_text(encoding="utf-8").startswith("Subject: ")
    }
    tried = {param.values[0].get("template", CONTENT["template"]) for param in GOLDEN}

    assert tried == subjects
    assert subjects <= {path.stem for path in TEMPLATES.glob("*.html")}


def test_every_missing_fact_has_words():
    """Whatever a request has to name can be asked for."""
    assert {field.value for field in IntakeField} == set(INTAKE_WORDS)


@pytest.mark.parametrize("left_out", sorted(set(CONTENT) - {"template"}))
def test_facts_are_not_guessed(noticed, left_out):
    """A fact that a template needs and the row does not have is an error, never an empty place."""
    used = {
        "credits_restored": "credits_restored",
        "given_back": "refund_denied",
        "missing": "request_review",
        "review_business_days": "request_review",
    }
    whole = CONTENT | {"template": used.get(left_out, CONTENT["template"])}
    notice = noticed(webhook(**{name: whole[name] for name in whole if name != left_out}))

    with pytest.raises((UndefinedError, MalformedFactError)):
        words_of(notice)


def test_hostile_facts(noticed):
    """Whatever a text says, it stays one line of text in the body, escaped in HTML, and makes no header."""
    reasons = [{"id": HOSTILE, "title": HOSTILE, "holds": False}]
    for template in sorted(
        {param.values[0].get("template", "refund_approved") for param in GOLDEN}
    ):
        hostile = {"terms_version": HOSTILE, "reasons": reasons, "case": HOSTILE}
        hostile |= {"explanation": HOSTILE, "question": HOSTILE}
        notice = noticed(email(template, template=template, **hostile))
        words = words_of(notice)
        parsed = message_from_bytes(mail_message(notice, SHOP).as_bytes(), policy=policy.default)

        assert "\nBcc" not in words.plain
        assert "\n" not in words.subject
        assert "<script" not in words.html
        assert {"Bcc", "Cc"}.isdisjoint(parsed.keys())
        assert [ADDRESS] == [to.addr_spec for to in parsed["To"].addresses]
        assert 8 == len(parsed.keys())
        assert [] == parsed.defects


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\r\nb", "a b"),
        ("a\rb\tc\x0bd\x0ce\x85f\u2028g\u2029h", "a b c d e f g h"),
        ("a\x00\x1b[31mb\u202ec\u200bd", "a [31mb c d"),
        ("  a  ", "a"),
        ("ünïcödé 日本 €", "ünïcödé 日本 €"),
    ],
)
def test_one_line(text, line):
    """Line breaks of every kind, control characters and marks of direction become blanks."""
    assert line == one_line(text)


def test_message(noticed):
    """The e-mail has both forms, says that no person wrote it, and is ASCII on the wire."""
    notice = noticed()

    message = mail_message(notice, SHOP)

    wire = message.as_bytes()
    assert wire.isascii()
    parsed = message_from_bytes(wire, policy=policy.default)
    words = words_of(notice)
    for form, said in (("plain", words.plain), ("html", words.html)):
        assert said == parsed.get_body((form,)).get_content().replace("\r\n", "\n")
    assert f"<{notice_digest(notice.key)}@shop.example>" == parsed["Message-ID"]
    assert "Thu, 01 Jan 2026 12:00:00 +0000" == parsed["Date"]
    assert "Shop & Söhne <refunds@shop.example>" == parsed["From"]
    assert "auto-generated" == parsed["Auto-Submitted"]
    assert max(map(len, wire.split(b"\r\n"))) < 100
    assert b"\n" not in wire.replace(b"\r\n", b"")


def test_repeat_is_the_same_to_the_byte(noticed):
    """Two tries of one notice are one message: same id, date and bytes; another notice is another."""
    notice, other = noticed(), noticed(email("another"))

    assert mail_message(notice, SHOP).as_bytes() == mail_message(notice, SHOP).as_bytes()
    assert mail_message(notice, SHOP)["Message-ID"] != mail_message(other, SHOP)["Message-ID"]


def test_address_beyond_ascii(noticed):
    """An internationalised address is written as it is (RFC 6532)."""
    wire = mail_message(noticed(recipient="jörg@bücher.example"), SHOP).as_bytes()

    assert "To: jörg@bücher.example\r\n".encode() in wire


def test_webhook_is_no_e_mail(noticed):
    """A notice without a recipient makes no e-mail."""
    with pytest.raises(ValueError, match="without a recipient"):
        mail_message(noticed(webhook()), SHOP)


def test_content_has_one_form():
    """The facts that the tests use are what a row can hold."""
    assert dump_canonical(CONTENT)
