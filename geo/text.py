"""Text of unknown encoding."""

from geo.errors import refuse
from geo.problems import N_

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def decode(data: bytes) -> str:
    """Text of a Chinese text file: by its byte order mark, else strict UTF-8, else GB18030 (superset of GBK).

    Raises:
        Refused: none of them fits.
    """
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    for encoding in (marked,) if marked else ("utf-8", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise refuse("encoding", N_("无法识别文件的文字编码。请另存为 UTF-8 或 GBK 后再上传。"))
