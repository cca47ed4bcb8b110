"""/api/v1, for whoever checks certificates of readiness and what the installation signed."""

from datetime import date
from typing import Any, Literal

from apiflask import APIBlueprint
from flask import Response
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, Field

from landready import evidence, issued, seal
from landready import heads as signed
from landready.chain import HEAD_FORMAT
from web import certificates
from web.auth import public
from web.session import database, resources

api = APIBlueprint("api_certificates", __name__, url_prefix="/api/v1", tag="certificates")

_SIGNATURE = "A" * 86
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class KeyOut(BaseModel):
    """A public key of the installation as a JSON Web Key (RFC 8037)."""

    kid: str = Field(description="first 16 hex digits of the SHA-256 of the 32 key bytes")
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    x: str = Field(description="the key itself, base64url; what `landready verify --key` takes")
    first_day: date | None = Field(description="of the first head it signed; null: none yet")
    last_day: date | None = Field(description="of the last head it signed; null: it is in use")


class KeysOut(BaseModel):
    keys: list[KeyOut] = Field(description="The key in use first; former ones stay published.")


# The key of RFC 8037, appendix A.
_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
_EXAMPLE = {
    "keys": [
        {
            "kid": "21fe31dfa154a261", "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
            "x": _KEY, "first_day": "2026-03-02", "last_day": None,
        }
    ]
}  # fmt: skip


@api.get("/keys")
@api.output(KeysOut, example=_EXAMPLE)
@api.doc(
    summary="Public keys of this installation",
    description="Ed25519 keys that verify what it signs; `kid` stands beside every signature.",
)
@public
def keys() -> ResponseReturnValue:
    own = resources().seal.public
    found = [
        KeyOut(
            kid=seal.key_id(one.key),
            x=one.key,
            first_day=one.first,
            last_day=None if one.key == own else one.last,
        )
        for one in signed.keys(database(), own)
    ]
    return KeysOut(keys=found).model_dump(mode="json")


class HeadsQuery(BaseModel):
    city: str = Field(
        "", pattern=r"^(\d{6})?$", description="adcode; empty: all", examples=["460100"]
    )
    after: int = Field(
        0, ge=0, le=2**63 - 1, description="`next` of the answer before", examples=[0]
    )
    limit: int = Field(500, ge=1, le=500, examples=[500])


class HeadOut(BaseModel):
    """A signed head. Signed are all members but `signature`, as JSON with sorted keys and no blanks, in UTF-8."""

    format: str
    city: str = Field(description="adcode, GB/T 2260")
    day: date
    sequence: int = Field(description="so many certificates the city had")
    sha256: str = Field(description="of the last of them")
    key: str = Field(description="public key, base64url")
    signature: str = Field(description="Ed25519, base64url")


class HeadsOut(BaseModel):
    heads: list[HeadOut]
    next: int = Field(description="Send this as `after` to go on, now or later.")


_HEAD = {
    "format": HEAD_FORMAT, "city": "460100", "day": "2026-03-02", "sequence": 12, "sha256": _DIGEST,
    "key": _KEY, "signature": _SIGNATURE,
}  # fmt: skip


@api.get("/certificates/heads")
@api.input(HeadsQuery, location="query", arg_name="query")
@api.output(HeadsOut, example={"heads": [_HEAD], "next": 1})
@api.doc(
    summary="Signed heads of the certificates' chains",
    description="One per city and day. Keep them: a chain that was rewritten or cut contradicts them.",
)
@public
def heads(query: HeadsQuery) -> ResponseReturnValue:
    rows = signed.published(database(), query.city, query.after, limit=query.limit)
    found = [HeadOut.model_validate(row.head.written()) for row in rows]
    return HeadsOut(heads=found, next=rows[-1].id if rows else query.after).model_dump(mode="json")


class CertificateOut(BaseModel):
    """The file that `landready verify` reads, byte for byte: sorted keys, no blanks, one line."""

    format: str
    body: dict[str, Any] = Field(description="what was judged: facts, rules, verdict")
    sha256: str = Field(description="of the previous digest in hex, a line feed and the body")
    key: str = Field(description="public key, base64url")
    signature: str = Field(
        description="Ed25519 over format, key and sha256 as sorted JSON, base64url"
    )


_BODY = {"format": "landready-certificate/1", "number": "460100-000012"}


@api.get("/certificates/<number>")
@api.output(
    CertificateOut,
    example={
        "format": evidence.FILE_FORMAT, "body": _BODY, "sha256": _DIGEST, "key": _KEY,
        "signature": _SIGNATURE,
    },
)  # fmt: skip
@api.doc(
    summary="A certificate of readiness by its number",
    description="What the public may read: certificates of plots that are listed, suspended or sold.",
    responses={404: "No such certificate, or its plot is not public."},
)
@public
def certificate(number: str) -> Response:
    row = issued.readable(database(), number)
    return Response(certificates.line(row), content_type="application/json")
