"""Files that want to read another file or call out: every payload we know, under every name, plain and inside archives."""

from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.seeds import DXF_GROUPS, SQUARE, dxf, geojson, workbook, zipped

EXTENSIONS = (
    "geojson", "json", "gpkg", "zip", "txt", "kml", "kmz", "dxf", "csv", "tsv", "xlsx", "gml", "vrt", "shp",
)  # fmt: skip
_KML = (
    '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>{}</Document></kml>'
)
_PLACEMARK = (
    "<Placemark>{}<Polygon><outerBoundaryIs><LinearRing><coordinates>110.35,20.02 110.36,20.02 110.36,20.03 110.35,20.02"
    "</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>"
)


def payloads(file: Path, url: str) -> Iterator[tuple[str, bytes]]:
    """Yield a name and a text that leads to `file` or to `url` if it is believed."""
    for kind, target in (("file", str(file)), ("url", url)):
        curl = target if kind == "file" else f"/vsicurl/{url}"
        link = target if kind == "url" else file.as_uri()
        texts = {
            "vrt": f'<OGRVRTDataSource><OGRVRTLayer name="canary"><SrcDataSource>{curl}</SrcDataSource><GeometryField encoding="WKT" field="wkt"/></OGRVRTLayer></OGRVRTDataSource>',
            "vrt_sql": f'<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>{curl}</SrcDataSource><SrcSQL>select * from canary</SrcSQL></OGRVRTLayer></OGRVRTDataSource>',
            "vrt_raster": f'<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>{curl}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>',
            "gti": f"<GDALTileIndexDataset><IndexDataset>{curl}</IndexDataset></GDALTileIndexDataset>",
            "wfs": f"<OGRWFSDataSource><URL>{link}?SERVICE=WFS</URL></OGRWFSDataSource>",
            "oapif": f"OAPIF:{link}",
            "gml": f'<?xml version="1.0"?><gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a {link}"><gml:featureMember xlink:href="{link}"/></gml:FeatureCollection>',
            "network_link": _KML.format(
                f"<NetworkLink><Link><href>{link}</href></Link></NetworkLink>"
                + _PLACEMARK.format("")
            ),
            "style_url": _KML.format(
                _PLACEMARK.format(f"<styleUrl>{link}#a</styleUrl>")
                + f"<GroundOverlay><Icon><href>{link}</href></Icon></GroundOverlay>"
                + f"<Schema name='s' id='s'/><Model><Link><href>{link}</href></Link></Model>"
            ),
            "entity": f'<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY x SYSTEM "{link}">]>'
            + _KML.format(_PLACEMARK.format("<name>&x;</name>"))[21:],
            "parameter_entity": f'<?xml version="1.0"?><!DOCTYPE kml SYSTEM "{link}">'
            + _KML.format(_PLACEMARK.format(""))[21:],
            "include": _KML.format(
                f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{link}" parse="text"/>'
            ),
            "crs_link": geojson(
                SQUARE, crs={"type": "link", "properties": {"href": link, "type": "proj4"}}
            ).decode(),
            "crs_name": geojson(
                SQUARE, crs={"type": "name", "properties": {"name": link}}
            ).decode(),
            "crs_grid": geojson(
                SQUARE,
                crs={"type": "name", "properties": {"name": f"+proj=longlat +nadgrids={target}"}},
            ).decode(),
            "topojson_url": f'{{"type":"FeatureCollection","next":"{link}","links":[{{"rel":"next","href":"{link}"}}],"features":[]}}',
            "csv_link": f'code,wkt\n"=WEBSERVICE(""{link}"")","{SQUARE.wkt}"\n',
            "csv_vsi": f"code,wkt\nA,{curl}\n",
            "dxf_xref": dxf(
                DXF_GROUPS.replace("0 BLOCK 8 0 2 LOT", f"0 BLOCK 8 0 70 4 1 {target} 2 LOT")
            ).decode(),
            "survey_path": f"[属性描述]\n坐标系={target}\n转换参数={curl}\n[地块坐标]\n3,1,{target},a,面,,,,@\n",
        }
        for name, text in texts.items():
            yield f"{name}_{kind}", text.encode()


def _shapefile_parts(data: bytes) -> dict[str, bytes]:
    return {f"a{part}": data for part in (".shp", ".shx", ".dbf", ".prj", ".cpg")}


def wrapped(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the payload under every extension; archives hold it as their members, and once more inside an archive."""
    for extension in EXTENSIONS:
        if extension == "zip":
            inner = zipped({**_shapefile_parts(data), "a.vrt": data})
            yield f"{name}.zip", inner
            yield f"{name}_nested.zip", zipped({"a.shp.zip": inner, "../../a.shp": data})
        elif extension == "kmz":
            yield f"{name}.kmz", zipped({"doc.kml": data, "../doc.xml": data})
        elif extension == "xlsx":
            yield f"{name}.xlsx", zipped({"[Content_Types].xml": data, "xl/workbook.xml": data})
        else:
            yield f"{name}.{extension}", data


def linked_workbook(target: str) -> bytes:
    """Return a workbook whose external link leads to `target`."""
    import io
    import zipfile

    plain = workbook([["code", "wkt"], ["A", SQUARE.wkt]])
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    parts["xl/externalLinks/externalLink1.xml"] = (
        b'<externalLink xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
        b' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><externalBook r:id="rId1"/></externalLink>'
    )
    parts["xl/externalLinks/_rels/externalLink1.xml.rels"] = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1"'
        ' Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/externalLinkPath"'
        f' Target="{target}" TargetMode="External"/></Relationships>'
    ).encode()
    return zipped(parts)


def everything(file: Path, url: str) -> Iterator[tuple[str, bytes]]:
    """Yield every payload under every name."""
    for name, data in payloads(file, url):
        yield from wrapped(name, data)
    yield "external_file.xlsx", linked_workbook(file.as_uri())
    yield "external_url.xlsx", linked_workbook(url)
