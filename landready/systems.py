"""The coordinate systems that a person can name for a file that does not name its own."""

from collections.abc import Mapping

from geo.problems import N_

# 109°E is in use in Hainan and has no EPSG code (domain facts §2.1); everything but the meridian is EPSG:4546's.
CM_109 = (
    'PROJCS["CGCS2000 / 3-degree Gauss-Kruger CM 109E",GEOGCS["China Geodetic Coordinate System 2000",'
    'DATUM["China_2000",SPHEROID["CGCS2000",6378137,298.257222101]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",109],PARAMETER["scale_factor",1],'
    'PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1]]'
)
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
    if text == "CM109":
        return CM_109
    return f"EPSG:{text}" if text.isdigit() else text or None
