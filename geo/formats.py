"""Which format a file is in: its bytes decide, and its name must agree.

GDAL would guess by content alone, and a VRT named .geojson reads other people's files: nothing reaches GDAL here
before bytes and name say the same.
"""

import re
from pathlib import Path
from xml.parsers import expat

from geo.archive import Bounds, doctype, opened
from geo.errors import Refused, refuse
from geo.problems import N_, at_line

_HEAD = 65_536
EXTENSIONS = {
    ".geojson": "geojson",
    ".json": "geojson",
    ".gpkg": "gpkg",
    ".zip": "shapefile",
    ".txt": "survey",
    ".kml": "kml",
    ".kmz": "kmz",
    ".dxf": "dxf",
    ".csv": "csv",
    ".tsv": "csv",
    ".xlsx": "xlsx",
}
_ALLOWED = N_("GeoJSON、GeoPackage、Shapefile（zip）、界址点 TXT、KML/KMZ、DXF、CSV、XLSX")
_SEND_DXF = N_("不能读取 DWG。请在 CAD 软件中另存为 DXF（ASCII）后再上传。")
_SEND_ZIP = N_("不能读取这种压缩包。请改用 zip 压缩后再上传。")
_SEND_SHAPEFILE = N_("只有 Shapefile 的一部分。请把 shp、shx、dbf、prj 一起压缩成 zip 后再上传。")
_SEND_XLSX = N_("不能读取旧版 Excel（xls）。请另存为 xlsx 或 CSV 后再上传。")
_SEND_MAP = N_("这是图片或文档，没有可测量的坐标。请上传地块的矢量数据：{allowed}。")
_SEND_OTHER = N_("不能读取 {name}。请转换为以下格式之一：{allowed}。")
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"AC10", "send_dxf", _SEND_DXF),
    (b"\x1f\x8b", "send_zip", _SEND_ZIP),
    (b"7z\xbc\xaf\x27\x1c", "send_zip", _SEND_ZIP),
    (b"Rar!", "send_zip", _SEND_ZIP),
    (b"BZh", "send_zip", _SEND_ZIP),
    (b"\xfd7zXZ", "send_zip", _SEND_ZIP),
    (b"\x00\x00\x27\x0a", "send_shapefile", _SEND_SHAPEFILE),
    (b"\xd0\xcf\x11\xe0", "send_xlsx", _SEND_XLSX),
    (b"%PDF", "send_map", _SEND_MAP),
    (b"\x89PNG", "send_map", _SEND_MAP),
    (b"\xff\xd8\xff", "send_map", _SEND_MAP),
    (b"II*\x00", "send_map", _SEND_MAP),
    (b"MM\x00*", "send_map", _SEND_MAP),
)
_BY_NAME = {
    ".dwg": ("send_dxf", _SEND_DXF),
    ".shp": ("send_shapefile", _SEND_SHAPEFILE),
    ".shx": ("send_shapefile", _SEND_SHAPEFILE),
    ".dbf": ("send_shapefile", _SEND_SHAPEFILE),
    ".prj": ("send_shapefile", _SEND_SHAPEFILE),
    ".gz": ("send_zip", _SEND_ZIP),
    ".tgz": ("send_zip", _SEND_ZIP),
    ".tar": ("send_zip", _SEND_ZIP),
    ".7z": ("send_zip", _SEND_ZIP),
    ".rar": ("send_zip", _SEND_ZIP),
    ".xls": ("send_xlsx", _SEND_XLSX),
}


def recognise(path: Path, suffix: str, bounds: Bounds) -> str:
    """Format of the file at `path` that was sent with the extension `suffix` (".geojson").

    One of geojson, gpkg, shapefile, survey, kml, kmz, dxf, csv, xlsx.

    Raises:
        Refused: empty, not a format we read (with what to send instead), or content and name disagree.
    """
    suffix = suffix.lower()
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise refuse("empty_file", N_("文件是空的。"))
    _refuse_known(head, suffix)
    expected = EXTENSIONS.get(suffix)
    content = _content(path, head, bounds)
    if content == "text" and expected in ("survey", "csv"):
        return expected
    if expected is None or content == "other":
        raise refuse("format_unknown", _SEND_OTHER, name=suffix or "?", allowed=_ALLOWED)
    if content != expected:
        raise refuse(
            "format_mismatch",
            N_(
                "文件扩展名是 {suffix}，内容却不是这种格式。请用正确的扩展名重新保存，可用格式：{allowed}。"
            ),
            suffix=suffix,
            allowed=_ALLOWED,
        )
    return content


def _refuse_known(head: bytes, suffix: str) -> None:
    for magic, code, text in _MAGIC:
        if head.startswith(magic):
            raise refuse(code, text, allowed=_ALLOWED)
    if head[257:262] == b"ustar":
        raise refuse("send_zip", _SEND_ZIP)
    if suffix in _BY_NAME:
        code, text = _BY_NAME[suffix]
        raise refuse(code, text)


def _content(path: Path, head: bytes, bounds: Bounds) -> str:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_content(path, bounds)
    if head.startswith(b"SQLite format 3\x00"):
        return "gpkg"
    if head.startswith(b"AutoCAD Binary DXF"):
        raise refuse(
            "send_dxf", N_("不能读取二进制 DXF。请在 CAD 软件中另存为 ASCII DXF 后再上传。")
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return "geojson"
    if start.startswith(b"<"):
        return _xml_content(head)
    if re.match(rb"(999[ \t]*\r?\n[^\r\n]*\r?\n\s*)*0[ \t]*\r?\n[ \t]*SECTION\b", start):
        return "dxf"
    return "text" if _is_text(head) else "other"


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return b"\x00" not in head


def _zip_content(path: Path, bounds: Bounds) -> str:
    with opened(path, bounds) as archive:
        names = archive.namelist()
    if "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names):
        return "xlsx"
    if any(name.lower().endswith(".kml") for name in names):
        return "kmz"
    return "shapefile"


def _xml_content(head: bytes) -> str:
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise doctype()
    root = re.search(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s>/]", head)
    if root is None or root[1] != b"kml":
        name = root[1].decode("ascii") if root else "XML"
        raise refuse("format_unknown", _SEND_OTHER, name=f"XML（{name[:40]}）", allowed=_ALLOWED)
    return "kml"


def check_kml(path: Path) -> None:
    """Walk the XML once without building anything, before GDAL sees it.

    Raises:
        Refused: cut short or not well-formed, declares a document type, nests too deeply, or points to another file.
    """
    parser = expat.ParserCreate()
    depth = 0

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > 64:
            raise refuse("too_deep", N_("图形嵌套超过 {limit} 层，不是正常的地块数据。"), limit=64)
        if name.rsplit(":", 1)[-1] == "NetworkLink":
            raise refuse(
                "network_link",
                N_(
                    "KML 只含指向另一个文件的链接（NetworkLink），系统不会去下载。请上传地块数据本身。"
                ),
            )

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def declared(*_: object) -> None:
        raise doctype()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = declared
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise xml_broken(error.lineno) from error
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        raise xml_broken(1) from error


def xml_broken(line: int) -> Refused:
    """Refusal of XML that ends early or is not well-formed."""
    return refuse(
        "xml_broken",
        N_("KML 在第 {line} 行中断或有语法错误，文件可能没有传完。请重新导出后再上传。"),
        where=at_line(line),
        line=line,
    )
