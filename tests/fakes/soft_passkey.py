"""An authenticator in software: it makes passkeys and signs challenges as a device does (W3C WebAuthn, level 3)."""

import hashlib
import json
import secrets

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


class SoftPasskey:
    """One passkey; whatever a test wants to be wrong in an answer, it names."""

    def __init__(self, origin, host="localhost"):
        self.origin, self.host = origin, host
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(32)
        self.count = 0

    def made(self, options, **wrong):
        """The answer to options of registration, as browsers write it."""
        numbers = self.key.public_key().public_numbers()
        public = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        )
        attested = bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + public
        data = self._authenticator_data(_ATTESTED, wrong) + attested
        response = {
            "clientDataJSON": self._client_data("webauthn.create", options, wrong),
            "attestationObject": bytes_to_base64url(
                cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
            ),
        }
        return self._credential(response)

    def signed(self, options, **wrong):
        """The answer to options of authentication."""
        self.count += 1
        data = self._authenticator_data(0, wrong)
        client = self._client_data("webauthn.get", options, wrong)
        raw = base64url_to_bytes(client)
        signature = wrong.get("key", self.key).sign(
            data + hashlib.sha256(raw).digest(), ec.ECDSA(hashes.SHA256())
        )
        response = {
            "clientDataJSON": client,
            "authenticatorData": bytes_to_base64url(data),
            "signature": bytes_to_base64url(signature),
        }
        return self._credential(response)

    def _authenticator_data(self, flags, wrong):
        host = wrong.get("host", self.host)
        verified = 0 if wrong.get("unverified") else _VERIFIED
        count = wrong.get("count", self.count)
        return (
            hashlib.sha256(host.encode()).digest()
            + bytes([flags | _PRESENT | verified])
            + count.to_bytes(4)
        )

    def _client_data(self, kind, options, wrong):
        told = {
            "type": wrong.get("kind", kind),
            "challenge": wrong.get("challenge", options["challenge"]),
            "origin": wrong.get("origin", self.origin),
            "crossOrigin": False,
        }
        return bytes_to_base64url(json.dumps(told).encode())

    def _credential(self, response):
        named = bytes_to_base64url(self.credential_id)
        return json.dumps({"id": named, "rawId": named, "type": "public-key", "response": response})
