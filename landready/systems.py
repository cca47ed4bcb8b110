"""The coordinate systems that a person can name for a file that does not name its own."""

from collections.abc import Mapping

from geo.problems import N_

# What is shown for choosing, the province's own first. Easting ranges tell the systems apart.
CHOICES: Mapping[str, str] = {
    "EPSG:4490": N_("2000 国家大地坐标系，经纬度（EPSG:4490）"),
    "EPSG:4545": N_("2000 坐标系，3 度带，中央子午线 108°，东坐标 6 位（EPSG:4545）"),
    "CM109": N_("2000 坐标系，3 度带，中央子午线 109°，东坐标 6 位（无 EPSG 代码）"),
    "EPSG:4546": N_("2000 坐标系，3 度带，中央子午线 111°，东坐标 6 位（EPSG:4546）"),
    "EPSG:4524": N_("2000 坐标系，3 度带 36 带，东坐标以 36 开头（EPSG:4524）"),
    "EPSG:4525": N_("2000 坐标系，3 度带 37 带，东坐标以 37 开头（EPSG:4525）"),
    "EPSG:4497": N_("2000 坐标系，6 度带 19 带，东坐标以 19 开头（EPSG:4497）"),
    "EPSG:4326": N_("WGS 84 经纬度（EPSG:4326）"),
    "EPSG:32649": N_("WGS 84 UTM 49N（EPSG:32649）"),
}


def named(choice: str) -> str | None:
    """Return what the reader understands of a choice, or of a code that was typed; None: as the file says."""
    text = choice.strip()
    return f"EPSG:{text}" if text.isdigit() else text or None
