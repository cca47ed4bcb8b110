"""How the fuzzer breeds: bytes, numbers, words and members of archives are changed, dropped, doubled or mixed."""

import io
import random
import re
import zipfile

from tests.fuzz.seeds import zipped

_WORDS = (
    b"NaN", b"Infinity", b"-1e400", b"1e308", b"0", b"-0.0", b"99999999999999999999", b"9" * 400, b"9" * 5000, b"null", b"[[[[", b"]]", b"{", b"@",
    b"POLYGON((", b"EMPTY", b"SRID=999999;", b"GEOMETRYCOLLECTION(", b"<!DOCTYPE a>", b"<![CDATA[", b"&x;", b"/vsicurl/",
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", b",,,,", b"[\xca\xf4\xd0\xd4\xc3\xe8\xca\xf6]", b"0\nINSERT\n", b"AC1018",
    "，".encode(), "地块坐标".encode(), b'"', b"=1+1", b"../" * 8,
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
EXTENSIONS = (
    ".geojson",
    ".gpkg",
    ".zip",
    ".txt",
    ".kml",
    ".kmz",
    ".dxf",
    ".csv",
    ".xlsx",
    ".gml",
    ".dwg",
    "",
)
_LARGEST = 3 << 20


def child_of(dice: random.Random, name: str, data: bytes, others: list[bytes]) -> tuple[str, bytes]:
    """Return a mutated file and its name; one in ten comes under another extension."""
    if data[:4] == b"PK\x03\x04" and dice.random() < 0.7:
        data = _archive(dice, data, others)
    else:
        data = _several(dice, data, others)
    if dice.random() < 0.1:
        name = name.rsplit(".", 1)[0] + dice.choice(EXTENSIONS)
    return name, data[:_LARGEST]


def _several(dice: random.Random, data: bytes, others: list[bytes]) -> bytes:
    for _ in range(1 if dice.random() < 0.5 else dice.randint(2, 12)):
        data = dice.choice(_WAYS)(dice, data, others)
    return data


def _archive(dice: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Change one member and close the archive again, so that the reader behind the archive is reached."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {i.filename: archive.read(i) for i in archive.infolist() if not i.is_dir()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError):
        return _several(dice, data, others)
    if not parts:
        return _several(dice, data, others)
    member = dice.choice(sorted(parts))
    match dice.randrange(10):
        case 0:
            del parts[member]
        case 1:
            parts[dice.choice(["../a", "/etc/a", "a\\b", "甲", "a" * 300]) + member[-4:]] = parts[
                member
            ]
        case 2:
            parts[f"{member}.zip"] = data[:100]
        case _:
            parts[member] = _several(dice, parts[member], others)
    return zipped(parts, dice.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED]))


def _flip(dice: random.Random, data: bytes, _: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _n in range(dice.choice([1, 1, 2, 8, 64])):
        if changed:
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _field(dice: random.Random, data: bytes, _: list[bytes]) -> bytes:
    """Overwrite a binary field with an extreme value."""
    at = dice.randrange(max(len(data), 1))
    value = dice.choice(
        [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"]
    )
    double = dice.choice([b"\0\0\0\0\0\0\xf8\x7f", b"\0\0\0\0\0\0\xf0\x7f", b"\xff" * 8])
    patch = dice.choice([value, double])
    return data[:at] + patch + data[at + len(patch) :]


def _cut(dice: random.Random, data: bytes, _: list[bytes]) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def _drop(dice: random.Random, data: bytes, _: list[bytes]) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + data[at + dice.choice([1, 2, 16, 200]) :]


def _double(dice: random.Random, data: bytes, _: list[bytes]) -> bytes:
    start = dice.randrange(len(data) + 1)
    piece = data[start : start + dice.choice([1, 8, 100, 2000])]
    return data[:start] + piece * dice.choice([2, 3, 50, 400]) + data[start:]


def _word(dice: random.Random, data: bytes, _: list[bytes]) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice(_WORDS) + data[at:]


def _number(dice: random.Random, data: bytes, _: list[bytes]) -> bytes:
    """Replace a number of a text by another."""
    found = list(_NUMBER.finditer(data[:200_000]))
    if not found:
        return data
    spot = dice.choice(found)
    value = dice.choice([*_WORDS[:10], str(dice.randint(-(10**9), 10**9)).encode(), spot[0] + b"9"])
    return data[: spot.start()] + value + data[spot.end() :]


def _lines(dice: random.Random, data: bytes, _: list[bytes]) -> bytes:
    """Drop, double or exchange lines."""
    lines = data.split(b"\n")
    i, j = dice.randrange(len(lines)), dice.randrange(len(lines))
    match dice.randrange(3):
        case 0:
            del lines[i]
        case 1:
            lines.insert(j, lines[i])
        case _:
            lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def _mix(dice: random.Random, data: bytes, others: list[bytes]) -> bytes:
    other = dice.choice(others)
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other) + 1) :]


_WAYS = (_flip, _flip, _field, _cut, _drop, _double, _word, _word, _number, _number, _lines, _mix)
