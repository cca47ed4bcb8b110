"""The secrets of endpoints at rest: sealed with a key that is derived from LANDREADY_SECRET_KEY and stands in no database.

AES-256-GCM under a key from HKDF-SHA256; the enterprise is bound in, so a sealed secret is worth nothing in another's row.
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from landready import servers
from landready.errors import BadSettings
from landready.settings import Settings

_VERSION = "s1."
_NONCE_BYTES = 12
_INFO = b"landready endpoint secrets 1"


class CannotOpen(Exception):
    """A secret that was sealed with another key, for another enterprise, or was changed since."""


class Vault:
    """Seals and opens secrets with the installation's key."""

    def __init__(self, key: str) -> None:
        derived = HKDF(SHA256(), 32, salt=None, info=_INFO).derive(key.encode())
        self._cipher = AESGCM(derived)

    def seal(self, secret: str, enterprise_id: int) -> str:
        """Return `secret` as it may be stored."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), _bound(enterprise_id))
        return _VERSION + base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, enterprise_id: int) -> str:
        """Return what `seal` was given.

        Raises:
            CannotOpen: another key, another enterprise, or bytes that were changed.
        """
        if not sealed.startswith(_VERSION):
            raise CannotOpen
        try:
            raw = base64.b64decode(sealed.removeprefix(_VERSION), validate=True)
            return self._cipher.decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(enterprise_id)
            ).decode()
        except (InvalidTag, ValueError) as error:
            raise CannotOpen from error


def installed(settings: Settings) -> Vault:
    """Return the vault of this installation, for a process of its own.

    Raises:
        BadSettings: no secret key is set, and none was made by `landready up`: another one would open nothing.
    """
    if not settings.secret_key and not (settings.var / "secret").exists():
        raise BadSettings("LANDREADY_SECRET_KEY is not set")
    return Vault(servers.secret_key(settings))


def _bound(enterprise_id: int) -> bytes:
    return f"enterprise {enterprise_id}".encode()
