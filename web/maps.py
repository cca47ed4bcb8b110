"""Folium maps: feature collections in, three fragments for a page out. Everything loads from this server.

Data reaches the script through folium's `tojson`, which escapes <, >, & and '; texts shown in tooltips are HTML-escaped
here besides, because Leaflet writes them as HTML. So no value from a file or form can become a tag.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import folium
from branca.element import MacroElement
from flask import url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from folium.template import Template
from markupsafe import Markup

from landready.settings import Settings
from web.security import nonce

# Colours told apart by people with red-green blindness too (Okabe and Ito); one table for every map and legend.
COLOURS = {
    "plot": "#0b5cad",
    "plot_error": "#d55e00",
    "plot_ready": "#00734f",
    "plot_blocked": "#b3261e",
    "stage_listed": "#0072b2",
    "stage_ready": "#009e73",
    "stage_waiting": "#e69f00",
    "stage_blocked": "#d55e00",
    "project": "#7a3e9d",
    "service_area": "#56779c",
    "water": "#0072b2",
    "drainage": "#5c4a32",
    "power": "#d55e00",
    "gas": "#b8860b",
    "telecom": "#8a2d6b",
    "cable_tv": "#3f7f4f",
    "link": "#333333",
    "route": "#c51b7d",
    "roads": "#6b6b6b",
    "greens": "#4d9221",
    "waters": "#2b8cbe",
    "planning_areas": "#8c6bb1",
    "problem": "#d00000",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing on a map: a GeoJSON geometry in lon/lat, its style by a name of COLOURS, and what is told of it."""

    geometry: Mapping[str, Any]
    colour: str
    title: str = ""
    lines: tuple[str, ...] = ()
    url: str = ""
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a template places: `{{ map.body }}` in the page and `{{ map.script }}` in its `scripts` block."""

    body: Markup
    script: Markup


class _Outlines(MacroElement):
    """The county boundaries with their names, fetched once and cached by the browser."""

    _template = Template("""
        {% macro script(this, kwargs) %}
        fetch({{ this.url|tojson }}).then(r => r.json()).then(function (data) {
            var map = {{ this._parent.get_name() }};
            var names = L.layerGroup();
            L.geoJSON(data, {interactive: false,
                style: {color: '#8a94a0', weight: 1, fillColor: '#f4f1ea', fillOpacity: 1},
                onEachFeature: function (f) {
                    var at = f.properties.cp, name = document.createElement('span');
                    name.textContent = f.properties.name;
                    L.marker([at[1], at[0]], {interactive: false, keyboard: false,
                        icon: L.divIcon({className: 'county-name', html: name, iconSize: null})}).addTo(names);
                }}).addTo(map).bringToBack();
            function show() { if (map.getZoom() > 7) names.addTo(map); else names.remove(); }
            map.on('zoomend', show);
            show();
        });
        {% endmacro %}
    """)

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url


class _Shapes(MacroElement):
    """A layer of shapes with tooltips and links. What is too small to be seen at a zoom stands as a dot."""

    _template = Template("""
        {% macro script(this, kwargs) %}
        (function (map) {
            function tell(f, layer) {
                if (f.properties.html) layer.bindTooltip(f.properties.html, {sticky: true});
                if (f.properties.url) layer.on('click', () => { location.href = f.properties.url; });
            }
            var shapes = L.geoJSON({{ this.data|tojson }}, {
                style: f => f.properties.style,
                pointToLayer: (f, at) => L.circleMarker(at, {radius: 6}),
                onEachFeature: tell
            }).addTo(map);
            var dots = L.layerGroup().addTo(map);
            function show() {
                dots.clearLayers();
                shapes.eachLayer(function (layer) {
                    if (layer.feature.geometry.type.indexOf('Polygon') < 0) return;
                    var box = layer.getBounds();
                    if (map.project(box.getNorthWest()).distanceTo(map.project(box.getSouthEast())) > 14) return;
                    var style = layer.feature.properties.style;
                    var dot = L.circleMarker(box.getCenter(), {radius: 6, color: style.color, weight: 2,
                        fillColor: style.fillColor, fillOpacity: 0.6});
                    tell(layer.feature, dot);
                    dots.addLayer(dot);
                });
            }
            {% if this.closest %}
            if (shapes.getBounds().isValid())
                map.fitBounds(shapes.getBounds().pad(0.15), {maxZoom: {{ this.closest }}});
            {% endif %}
            map.on('zoomend', show);
            show();
        })({{ this._parent.get_name() }});
        {% endmacro %}
    """)

    def __init__(self, shapes: Iterable[Shape], *, closest: int | None) -> None:
        super().__init__()
        self.data = {"type": "FeatureCollection", "features": [_feature(s) for s in shapes]}
        self.closest = closest


class _Board(MacroElement):
    """The plots of a readiness board, fetched once: /static/board.js draws them and ties them to the rows of the table."""

    _template = Template("""
        {% macro script(this, kwargs) %}
        drawBoard({{ this._parent.get_name() }}, {{ this.plots|tojson }}, {{ this.rows|tojson }});
        {% endmacro %}
    """)

    def __init__(self, plots: str, rows: str) -> None:
        super().__init__()
        self.plots, self.rows = plots, rows


class _Plain(MacroElement):
    """Metres only, and no flag beside the name of the library."""

    _template = Template("""
        {% macro script(this, kwargs) %}
        {{ this._parent.get_name() }}.attributionControl.setPrefix('Leaflet');
        L.control.scale({imperial: false}).addTo({{ this._parent.get_name() }});
        {% endmacro %}
    """)


class _Picker(MacroElement):
    """Writes the clicked point into the form fields `lon` and `lat`, and shows what is written there."""

    _template = Template("""
        {% macro script(this, kwargs) %}
        (function (map) {
            var lon = document.getElementById({{ this.lon|tojson }});
            var lat = document.getElementById({{ this.lat|tojson }});
            var mark = null;
            function show() {
                var x = parseFloat(lon.value), y = parseFloat(lat.value);
                if (mark) { map.removeLayer(mark); mark = null; }
                if (isFinite(x) && isFinite(y))
                    mark = L.circleMarker([y, x], {radius: 8, color: '#000', weight: 2,
                        fillColor: '#ffd400', fillOpacity: 1}).addTo(map);
            }
            map.getContainer().classList.add('picking');
            map.on('click', function (e) {
                var at = e.latlng.wrap();
                lon.value = at.lng.toFixed(7); lat.value = at.lat.toFixed(7);
                lon.dispatchEvent(new Event('change', {bubbles: true}));
                show();
            });
            lon.addEventListener('change', show); lat.addEventListener('change', show);
            show();
        })({{ this._parent.get_name() }});
        {% endmacro %}
    """)

    def __init__(self, lon: str, lat: str) -> None:
        super().__init__()
        self.lon, self.lat = lon, lat


class _Tracer(MacroElement):
    """Writes each clicked place as a line of the text area `field`, and shows what is written there: a point, or a line."""

    _template = Template("""
        {% macro script(this, kwargs) %}
        (function (map) {
            var field = document.getElementById({{ this.field|tojson }}), drawn = L.layerGroup().addTo(map);
            function places() {
                return field.value.split('\\n').map(line => line.split(/[,，;；\\s]+/).filter(Boolean).map(Number))
                    .filter(p => p.length == 2 && p.every(isFinite)).map(p => [p[1], p[0]]);
            }
            function show() {
                var at = places();
                drawn.clearLayers();
                if (at.length > 1) L.polyline(at, {color: '#000', weight: 6}).addTo(drawn);
                if (at.length > 1) L.polyline(at, {color: '#ffd400', weight: 3}).addTo(drawn);
                at.forEach(p => L.circleMarker(p, {radius: at.length > 1 ? 4 : 8, color: '#000', weight: 2,
                    fillColor: '#ffd400', fillOpacity: 1}).addTo(drawn));
            }
            map.getContainer().classList.add('picking');
            map.on('click', function (e) {
                var at = e.latlng.wrap(), kept = field.value.trim();
                field.value = (kept ? kept + '\\n' : '') + at.lng.toFixed(7) + ', ' + at.lat.toFixed(7);
                show();
            });
            field.addEventListener('input', show);
            show();
        })({{ this._parent.get_name() }});
        {% endmacro %}
    """)

    def __init__(self, field: str) -> None:
        super().__init__()
        self.field = field


def draw(
    settings: Settings,
    layers: Sequence[Sequence[Shape]],
    *,
    label: str,
    height: str = "26rem",
    pick: tuple[str, str] | None = None,
    trace: str = "",
    closest: int = 17,
) -> Drawn:
    """Draw layers of shapes, later ones on top; the view fits the first layer that has any, no closer than zoom `closest`.

    `label` names the map for screen readers; a table of the same facts belongs beside every map. `pick` names the ids of
    a longitude and a latitude input that a click on the map fills in, `trace` that of a text area that takes one place a line.
    """
    m = _empty(settings, height)
    fitted = False
    for shapes in layers:
        _Shapes(shapes, closest=closest if shapes and not fitted else None).add_to(m)
        fitted = fitted or bool(shapes)
    if pick:
        _Picker(*pick).add_to(m)
    if trace:
        _Tracer(trace).add_to(m)
    return _drawn(m, label)


def draw_board(settings: Settings, plots: str, rows: str, *, label: str) -> Drawn:
    """Draw the map of a readiness board; `plots` is where its GeoJSON comes from, `rows` where the rows of its table do."""
    m = _empty(settings, "26rem")
    _Board(plots, rows).add_to(m)
    return _drawn(m, label)


def _empty(settings: Settings, height: str) -> folium.Map:
    west, south, east, north = settings.region.extent
    m = folium.Map(
        location=[(south + north) / 2, (west + east) / 2],
        zoom_start=8,
        tiles=None,
        max_zoom=19,
        height=height,
        control_scale=False,
    )
    if base := _base(settings):
        base.add_to(m)
    _Plain().add_to(m)
    return m


def _drawn(m: folium.Map, label: str) -> Drawn:
    figure: Any = m.get_root()
    figure.render()
    body = (
        f'<div class="map" role="region" aria-label="{escape(label)}">{figure.html.render()}</div>'
    )
    styles = "".join(re.findall(r"<style>.*?</style>", figure.header.render(), re.DOTALL))
    tag = f'nonce="{nonce()}"'
    return Drawn(
        Markup(styles.replace("<style>", f"<style {tag}>") + body),  # noqa: S704 - folium's own markup
        Markup(f"<script {tag}>{figure.script.render()}</script>"),  # noqa: S704
    )


def _base(settings: Settings) -> MacroElement | None:
    """Tianditu with a key, else the county boundaries; those are of Hainan, so an installation elsewhere has none."""
    if not settings.map.tianditu_key and settings.region.name != "hainan":
        return None
    if not settings.map.tianditu_key:
        return _Outlines(url_for("land.outlines", language=str(get_locale())))
    url = (
        "https://t{s}.tianditu.gov.cn/vec_w/wmts?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER=vec&STYLE=default"
        "&TILEMATRIXSET=w&FORMAT=tiles&TILEMATRIX={z}&TILEROW={y}&TILECOL={x}&tk="
        + settings.map.tianditu_key
    )
    return folium.TileLayer(url, attr=_("天地图"), subdomains="01234567", max_native_zoom=18)


def _feature(shape: Shape) -> dict[str, Any]:
    colour = COLOURS[shape.colour]
    style = {"color": colour, "weight": 2, "fillColor": colour, "fillOpacity": 0.25}
    if shape.dashed:
        style |= {"dashArray": "6 5", "weight": 2, "fillOpacity": 0.05}
    told = [f"<strong>{escape(shape.title)}</strong>"] if shape.title else []
    told += [escape(line) for line in shape.lines]
    return {
        "type": "Feature",
        "geometry": dict(shape.geometry),
        "properties": {"style": style, "html": "<br>".join(told), "url": shape.url},
    }
