"""Passkeys by the webauthn library: options for the browser, and what its answer proves.

User verification (a finger, a face, a PIN) is always required, so that a passkey is two factors in one. Everything
that can be wrong with an answer is one error without details (https://www.w3.org/TR/webauthn-3/).
"""

from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Connection
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ledger.operator_tables import ChallengePurpose
from ledger.operators import Operator
from ledger.passkeys import (
    Passkey,
    add_passkey,
    ask_challenge,
    note_use,
    passkey_by_credential,
    passkeys_of,
    use_challenge,
)
from ledger.secret_digests import new_secret

_NAME: Final = "redress"

#: What the library raises for an answer that is none; it checks JSON's shape by using it.
_WRONG: Final = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError)


class PasskeyRefused(Exception):
    """The browser's answer proves nothing."""


class TooManyChallenges(Exception):
    """More people ask for a challenge than there can be."""


class PasskeyExchange:
    """The exchange with browsers that are at `address`, the dashboard's own (`https://host[:port]`)."""

    def __init__(self, address: str) -> None:
        self._origin = address
        self._host = urlsplit(address).hostname or ""

    def ask(
        self,
        connection: Connection,
        purpose: ChallengePurpose,
        operator: Operator | None,
        now_ms: int,
    ) -> str:
        """Options for the browser as JSON, with a new challenge. Raises TooManyChallenges."""
        challenge = new_secret()
        operator_id = None if operator is None else operator.operator_id
        if not ask_challenge(connection, challenge, purpose, operator_id, now_ms):
            raise TooManyChallenges
        known = self._known(connection, operator)
        if purpose is ChallengePurpose.ADD and operator is not None:
            return self._to_add(challenge, operator, known)
        options = generate_authentication_options(
            rp_id=self._host,
            challenge=base64url_to_bytes(challenge),
            allow_credentials=known or None,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options)

    def add(self, connection: Connection, operator: Operator, answer: str, now_ms: int) -> None:
        """Keep the passkey that the browser made. Raises PasskeyRefused, or IntegrityError for a known one."""
        try:
            credential = parse_registration_credential_json(answer)
            challenge = self._used(
                connection,
                credential.response.client_data_json,
                ChallengePurpose.ADD,
                operator,
                now_ms,
            )
            made = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except _WRONG as error:
            raise PasskeyRefused from error
        add_passkey(
            connection,
            operator.operator_id,
            credential_id=bytes_to_base64url(made.credential_id),
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            now_ms=now_ms,
        )

    def whose(
        self,
        connection: Connection,
        purpose: ChallengePurpose,
        operator: Operator | None,
        answer: str,
        now_ms: int,
    ) -> int:
        """Whose passkey answered the challenge, which is used up. Raises PasskeyRefused."""
        try:
            credential = parse_authentication_credential_json(answer)
            challenge = self._used(
                connection, credential.response.client_data_json, purpose, operator, now_ms
            )
            passkey = passkey_by_credential(connection, bytes_to_base64url(credential.raw_id))
            if passkey is None or not _is_of(passkey, operator):
                raise PasskeyRefused
            proved = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except _WRONG as error:
            raise PasskeyRefused from error
        if not note_use(connection, passkey, proved.new_sign_count, now_ms):
            raise PasskeyRefused
        return passkey.operator_id

    def _to_add(
        self, challenge: str, operator: Operator, known: list[PublicKeyCredentialDescriptor]
    ) -> str:
        options = generate_registration_options(
            rp_id=self._host,
            rp_name=_NAME,
            user_id=str(operator.operator_id).encode(),
            user_name=operator.name,
            challenge=base64url_to_bytes(challenge),
            exclude_credentials=known,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
        )
        return options_to_json(options)

    def _known(
        self, connection: Connection, operator: Operator | None
    ) -> list[PublicKeyCredentialDescriptor]:
        if operator is None:
            return []
        return [
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(row.credential_id))
            for row in passkeys_of(connection, operator.operator_id)
        ]

    def _used(
        self,
        connection: Connection,
        client_data: bytes,
        purpose: ChallengePurpose,
        operator: Operator | None,
        now_ms: int,
    ) -> bytes:
        """The challenge that was answered, if it was ours, for this, and not answered before."""
        challenge = parse_client_data_json(client_data).challenge
        operator_id = None if operator is None else operator.operator_id
        named = bytes_to_base64url(challenge)
        if not use_challenge(connection, named, purpose, operator_id, now_ms):
            raise PasskeyRefused
        return challenge


def _is_of(passkey: Passkey, operator: Operator | None) -> bool:
    return operator is None or operator.operator_id == passkey.operator_id
