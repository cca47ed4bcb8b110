"""/api/v1, for whoever checks what the installation signed."""

from typing import Literal

from apiflask import APIBlueprint
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, Field

from web.auth import public
from web.session import resources

api = APIBlueprint("api_certificates", __name__, url_prefix="/api/v1", tag="certificates")


class KeyOut(BaseModel):
    """A public key of the installation as a JSON Web Key (RFC 8037)."""

    kid: str = Field(description="first 16 hex digits of the SHA-256 of the 32 key bytes")
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    x: str = Field(description="the key itself, base64url; what `landready verify --key` takes")


class KeysOut(BaseModel):
    keys: list[KeyOut]


# The key of RFC 8037, appendix A.
_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
_EXAMPLE = KeysOut(keys=[KeyOut(kid="21fe31dfa154a261", x=_X)]).model_dump(mode="json")


@api.get("/keys")
@api.output(KeysOut, example=_EXAMPLE)
@api.doc(
    summary="Public keys of this installation",
    description="Ed25519 keys that verify what it signs; `kid` stands beside every signature.",
)
@public
def keys() -> ResponseReturnValue:
    seal = resources().seal
    return KeysOut(keys=[KeyOut(kid=seal.key_id, x=seal.public)]).model_dump(mode="json")
