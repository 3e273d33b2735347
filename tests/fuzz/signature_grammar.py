"""Signed deliveries and what becomes of them on the way: headers, bodies, secrets and clocks."""

import hashlib
import hmac
from dataclasses import dataclass

from tests.fuzz.byte_mutations import mutated
from tests.fuzz.choices import Choices
from tests.webhooks.signed_events import FOREIGN_SECRET, OLD_SECRET, SECRET

NOW = 1_767_268_800
#: Newest first. The last three are such as nobody should configure.
SECRETS = (
    (SECRET,),
    (SECRET, OLD_SECRET),
    (OLD_SECRET, SECRET),
    (SECRET,),
    ("whsec_short",),
    ("",),
    (" " * 16,),
)
_BODIES = (
    b'{"id": "evt_1", "amount": 1999}',
    '{"name": "naïve 💸"}'.encode(),
    b"",
    b"\xff\x00\xfe",
)
#: How far the signature's time is from ours, in seconds; a positive one is ahead.
_OFFSETS = (
    0,
    0,
    0,
    1,
    -1,
    299,
    -299,
    300,
    -300,
    301,
    -301,
    3600,
    -3600,
    94_608_000,
    -NOW,
    -NOW - 5,
)
_OTHER_DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_EXTRA = (
    *("", "=", "t", "v1", "t=", "v1=", "junk", "v0=" + "0" * 64, "v1=" + "0" * 64, "v2=x", "T=1"),
    *(f"t={NOW}", f"t={NOW - 400}", "v1=é" + "0" * 63, " ", " t=1", "x" * 2100, "v1=x=y", "=v1"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCase:
    """One delivery to be judged; `signed` are the (secret, time, body) that were really signed."""

    secrets: tuple[str, ...]
    body: bytes
    header: str
    signed: frozenset[tuple[str, int, bytes]]

    @property
    def times(self) -> list[str]:
        """What stands behind each `t=` of the header."""
        return [item[2:] for item in self.header.split(",") if item.startswith("t=")]

    @property
    def signatures(self) -> list[str]:
        """What stands behind each `v1=` of the header."""
        return [item[3:] for item in self.header.split(",") if item.startswith("v1=")]


def signed_case(data: bytes) -> SignedCase:
    """The delivery that `data` stands for."""
    choices = Choices(data)
    secrets = choices.pick(SECRETS)
    honest = choices.pick(_BODIES)
    at = NOW + choices.pick(_OFFSETS)
    signers = choices.pick(
        (
            secrets[:1],
            secrets[:1],
            secrets,
            secrets[-1:],
            (FOREIGN_SECRET,),
            (FOREIGN_SECRET, *secrets),
        )
    )
    items = [f"t={at}", *(f"v1={_digest(secret, at, honest)}" for secret in signers)]
    for _ in range(choices.below(4)):
        choices.pick(_CHANGES)(choices, items)
    header = ",".join(items)
    if not choices.below(4):
        changed = mutated(choices, header.encode(), choices.below(3))
        header = changed.decode("latin-1")
    body = honest if choices.below(3) else mutated(choices, honest, choices.below(3))
    return SignedCase(
        secrets=secrets,
        body=body,
        header=header,
        signed=frozenset((secret, at, honest) for secret in signers),
    )


def _digest(secret: str, at: int, body: bytes) -> str:
    return hmac.digest(secret.encode(), b"%d.%b" % (at, body), hashlib.sha256).hex()


def _respell_time(choices: Choices, items: list[str]) -> None:
    place = next((at for at, item in enumerate(items) if item.startswith("t=")), None)
    if place is None:
        return
    time = items[place][2:]
    items[place] = "t=" + choices.pick(
        (
            f"0{time}",
            f"000{time}",
            f"+{time}",
            f" {time}",
            f"{time}\n",
            f"{time}\u00a0",
            f"{time[:1]}_{time[1:]}",
            time.translate(_OTHER_DIGITS),
            f"{time}=x",
            f"{time}.0",
            f"-{time}",
            time * 2,
            "9" * 5000,
            hex(NOW),
            "",
            str(NOW - 1),
        )
    )


def _respell_signature(choices: Choices, items: list[str]) -> None:
    places = [at for at, item in enumerate(items) if item.startswith("v1=")]
    if not places:
        return
    place = choices.pick(places)
    digest = items[place][3:]
    items[place] = choices.pick(
        (
            f"v1={digest.upper()}",
            f"v1={digest}=",
            f"v1={digest}=x",
            f"v1={digest[:-1]}",
            f"v1={digest} ",
            f"v1= {digest}",
            f"v1=é{digest[1:]}",
            f"v0={digest}",
            f"V1={digest}",
            f" v1={digest}",
            f"v1={digest[::-1]}",
            f"v1={digest}{digest}",
        )
    )


def _add(choices: Choices, items: list[str]) -> None:
    items.insert(choices.below(len(items) + 1), choices.pick(_EXTRA))


def _drop(choices: Choices, items: list[str]) -> None:
    if items:
        del items[choices.below(len(items))]


def _repeat(choices: Choices, items: list[str]) -> None:
    if items:
        items += [choices.pick(items)] * choices.pick((1, 15, 16, 17, 100))


def _shuffle(_choices: Choices, items: list[str]) -> None:
    items.reverse()


_CHANGES = (_respell_time, _respell_signature, _add, _add, _drop, _repeat, _shuffle)
