"""Certificates in public: found by number, downloaded, and checked with nothing but what is published."""

from landready.seal import Seal


def test_public_key_is_public_as_a_json_web_key(client, settings):
    ours = Seal(settings.signing_key)
    (key,) = client.get("/api/v1/keys").json["keys"]
    assert key == {
        "kid": ours.key_id,
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "x": ours.public,
    }
