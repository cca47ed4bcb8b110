"""The signature of the installation: one key, one spelling, and nothing that was changed passes."""

import base64
import hashlib
import random

import pytest

from landready import seal
from landready.errors import BadSettings
from landready.settings import load

# RFC 8032, section 7.1, test 2.
SEED = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def base64url(text):
    return base64.urlsafe_b64encode(bytes.fromhex(text)).rstrip(b"=").decode()


def test_signs_as_the_standard_says():
    given = seal.Seal(base64.b64encode(bytes.fromhex(SEED)).decode())
    assert given.public == base64url(PUBLIC)
    assert given.key_id == hashlib.sha256(bytes.fromhex(PUBLIC)).hexdigest()[:16]
    assert given.sign(b"\x72") == base64url(SIGNATURE)
    assert seal.verify(b"\x72", base64url(SIGNATURE), base64url(PUBLIC))


def test_key_may_be_given_in_either_alphabet_with_or_without_padding():
    key = base64.b64encode(b"\xfb\xff" * 16).decode()
    assert {"+", "/", "="} < set(key)
    other = key.translate(str.maketrans("+/", "-_"))
    spellings = (key, other, key.rstrip("="), other.rstrip("="), f" {key}\n")
    assert len({seal.Seal(one).public for one in spellings}) == 1


def test_any_changed_letter_of_data_signature_or_key_is_refused():
    ours, draw = seal.Seal(seal.new_key()), random.Random(5)
    data = b'{"format": "a test"}'
    good = (data.decode(), ours.sign(data), ours.public)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n"
    for part in range(3):
        for at in range(len(good[part])):
            changed = list(good)
            other = draw.choice(letters.replace(good[part][at], ""))
            changed[part] = good[part][:at] + other + good[part][at + 1 :]
            assert not seal.verify(changed[0].encode(), changed[1], changed[2]), changed
    for signature in ("", "é", good[1] + "=", good[1][:-1], good[1] + "\n"):
        assert not seal.verify(data, signature, ours.public)


def test_private_installation_makes_its_key_once_and_nobody_else_reads_it(tmp_path):
    given = load(env={"LANDREADY_VAR": str(tmp_path)})
    with pytest.raises(BadSettings, match=r"^LANDREADY_SIGNING_KEY is not set$"):
        seal.installed(given)
    key = seal.signing_key(given)
    assert (tmp_path / "signing-key").stat().st_mode & 0o777 == 0o600
    assert seal.signing_key(given) == key
    assert seal.installed(given).public == seal.Seal(key).public
    other = seal.new_key()
    named = load(env={"LANDREADY_VAR": str(tmp_path), "LANDREADY_SIGNING_KEY": other})
    assert seal.installed(named).public == seal.Seal(other).public


@pytest.mark.parametrize("key", ["", "short", "é" * 43, "t" * 44])
def test_key_that_is_none_stops_the_start(key):
    with pytest.raises(
        BadSettings,
        match=r"^LANDREADY_SIGNING_KEY is not base64 of 32 bytes: openssl rand -base64 32$",
    ):
        seal.Seal(key)


@pytest.mark.parametrize("text", ["AB", "AA=", "AA+", "A"])
def test_key_has_no_name_in_another_spelling(text):
    with pytest.raises(ValueError, match="base64"):
        seal.key_id(text)
    assert not seal.verify(b"", "AA", text)


def test_spelling_of_another_byte_is_told_as_such():
    with pytest.raises(ValueError, match=r"^not the base64url of these bytes$"):
        seal.key_id("AB")


def test_text_of_any_bytes_is_read_as_it_was_written():
    draw = random.Random(7)
    for data in (b"\0\0\x17", *(draw.randbytes(n) for n in range(1, 40))):
        text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        assert seal.key_id(text) == hashlib.sha256(data).hexdigest()[:16]
        assert seal.is_public_key(text) == (len(data) == 32)
