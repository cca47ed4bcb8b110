"""The installation's signature: Ed25519 (RFC 8032) over bytes that say themselves what kind of thing they are.

The private key stands in the environment (LANDREADY_SIGNING_KEY) or, in a private installation, in `var/signing-key`; never in
the database, so that whoever rewrites the database cannot sign it. Texts are base64url without padding, as JSON Web Keys have
them (RFC 8037). Everything signed begins with a `format` of its own: no signature serves for two purposes.
"""

import base64
import hashlib
import secrets

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from landready import servers
from landready.errors import BadSettings
from landready.settings import Settings

_SEED_BYTES = 32


class Seal:
    """Signs with one private key."""

    def __init__(self, key: str) -> None:
        """Take the key as text: base64 or base64url of 32 random bytes.

        Raises:
            BadSettings: it is none.
        """
        try:
            seed = _decoded(key.strip())
            self._key = Ed25519PrivateKey.from_private_bytes(seed)
        except ValueError as error:
            raise BadSettings(
                "LANDREADY_SIGNING_KEY is not base64 of 32 bytes: openssl rand -base64 32"
            ) from error
        self.public = _text(self._key.public_key().public_bytes_raw())
        self.key_id = key_id(self.public)

    def sign(self, data: bytes) -> str:
        return _text(self._key.sign(data))


def verify(data: bytes, signature: str, public: str) -> bool:
    """Whether `signature` is that of `data` by the owner of the key `public`; anything unreadable is not."""
    try:
        key = Ed25519PublicKey.from_public_bytes(_bytes(public))
        key.verify(_bytes(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id(public: str) -> str:
    """Return the short name of a public key: the first 16 hex digits of the SHA-256 of its 32 bytes.

    Raises:
        ValueError: not base64url as this module writes it.
    """
    return hashlib.sha256(_bytes(public)).hexdigest()[:16]


def is_public_key(text: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(_bytes(text))
    except ValueError:
        return False
    return True


def new_key() -> str:
    return _text(secrets.token_bytes(_SEED_BYTES))


def signing_key(settings: Settings) -> str:
    """The configured key, or the one made once for this installation and kept in `var/signing-key` (0600)."""
    return settings.signing_key or servers.kept(settings, "signing-key", new_key)


def installed(settings: Settings) -> Seal:
    """Return the seal of this installation, for a process of its own.

    Raises:
        BadSettings: no key is set and none was made by `landready up`: each host would make another.
    """
    if not settings.signing_key and not (settings.var / "signing-key").exists():
        raise BadSettings("LANDREADY_SIGNING_KEY is not set")
    return Seal(signing_key(settings))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Read base64url of one spelling only: the unused bits of the last letter must be zero, else a byte could change unseen."""
    data = _decoded(text)
    if _text(data) != text:
        raise ValueError("not the base64url of these bytes")
    return data


def _decoded(text: str) -> bytes:
    """Read base64 or base64url, padded or not: padding in excess is ignored."""
    return base64.urlsafe_b64decode(text + "==")
