// The readiness board: a map whose plots lead to their rows and back, and cells that say more when pointed at or focused.
(function () {
  const layers = new Map();
  let map = null, rowsAddress = '', showDots = function () {};

  function box() { return document.getElementById('board-rows'); }

  function chosen() {
    const here = box();
    return here && here.dataset.plots !== undefined ? new Set(here.dataset.plots.split(',')) : null;
  }

  function paint() {
    const wanted = chosen();
    layers.forEach(function (layer, id) {
      const on = !wanted || wanted.has(id), of = layer.feature.properties;
      layer.setStyle({ color: of.colour, fillColor: of.colour, weight: on ? 2 : 1, opacity: on ? 1 : .25,
        fillOpacity: on ? (of.dashed ? .12 : .35) : .04, dashArray: of.dashed ? '6 5' : null });
    });
    showDots();
  }

  function words(of) {
    const told = document.createElement('div'), title = document.createElement('strong');
    title.textContent = of.title;
    told.append(title);
    of.lines.forEach(line => { told.append(document.createElement('br'), line); });
    return told;
  }

  function showRow(id) {
    const row = document.getElementById('plot-' + id);
    if (!row) return false;
    row.scrollIntoView({ block: 'center' });
    row.querySelector('a').focus({ preventScroll: true });
    document.querySelectorAll('.board .found').forEach(other => other.classList.remove('found'));
    row.classList.add('found');
    return true;
  }

  function toRow(id) {
    if (showRow(id)) return;
    const asked = new URLSearchParams(location.search);
    asked.set('plot', id);
    htmx.ajax('GET', rowsAddress + '?' + asked, { target: '#board-rows', swap: 'outerHTML' }).then(function () {
      if (showRow(id)) return;
      htmx.ajax('GET', rowsAddress + '?plot=' + id, { target: '#board-rows', swap: 'outerHTML' }).then(() => showRow(id));
    });
  }

  function toMap(id) {
    const layer = layers.get(id);
    if (!layer) return;
    map.fitBounds(layer.getBounds().pad(1), { maxZoom: 17 });
    map.getContainer().scrollIntoView({ block: 'center' });
    layer.openTooltip(layer.getBounds().getCenter());
  }

  window.drawBoard = function (itsMap, plots, rows) {
    map = itsMap;
    rowsAddress = rows;
    fetch(plots).then(r => { if (!r.ok) throw new Error(r.status); return r.json(); }).then(function (data) {
      // Above the county boundaries, whose land is filled.
      map.createPane('plots').style.zIndex = 450;
      const dots = L.layerGroup().addTo(map), canvas = L.canvas({ padding: .3, pane: 'plots' });
      const shapes = L.geoJSON(data, { renderer: canvas, pane: 'plots', onEachFeature: function (feature, layer) {
        layers.set(String(feature.properties.id), layer);
        layer.bindTooltip(words(feature.properties), { sticky: true });
        layer.on('click', () => toRow(feature.properties.id));
      } }).addTo(map);
      showDots = function () {
        const wanted = chosen();
        dots.clearLayers();
        shapes.eachLayer(function (layer) {
          const bounds = layer.getBounds();
          if (map.project(bounds.getNorthWest()).distanceTo(map.project(bounds.getSouthEast())) > 8) return;
          dots.addLayer(L.circleMarker(bounds.getCenter(), { renderer: canvas, pane: 'plots', radius: 3, stroke: false, interactive: false,
            fillOpacity: !wanted || wanted.has(String(layer.feature.properties.id)) ? .8 : .12,
            fillColor: layer.feature.properties.colour }));
        });
      };
      if (shapes.getBounds().isValid()) map.fitBounds(shapes.getBounds().pad(.05), { maxZoom: 17 });
      map.on('zoomend', showDots);
      paint();
    }).catch(function () {
      const note = document.getElementById('board-map-failed');
      if (note) note.hidden = false;
    });
  };

  document.addEventListener('click', function (event) {
    const button = event.target.closest('[data-show-plot]');
    if (button) toMap(button.dataset.showPlot);
  });

  // One cell is in the order of the Tab key; arrows go from cell to cell, Escape hides what is said.
  function settle() {
    document.querySelectorAll('.board .cell').forEach((cell, i) => { cell.tabIndex = i ? -1 : 0; });
    paint();
  }
  function place(cell) {
    const tip = cell.querySelector('.tip'), at = cell.getBoundingClientRect();
    document.querySelectorAll('.tip.shown').forEach(other => other.classList.remove('shown'));
    if (!tip) return;
    tip.classList.add('shown');
    const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    tip.style.left = Math.max(8, left) + 'px';
    const below = at.bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.top = Math.max(8, below ? at.bottom + 4 : at.top - tip.offsetHeight - 4) + 'px';
  }
  function hide() { document.querySelectorAll('.tip.shown').forEach(tip => tip.classList.remove('shown')); }
  document.addEventListener('mouseover', function (event) {
    const cell = event.target.closest('.board .cell');
    if (cell) place(cell); else hide();
  });
  document.addEventListener('focusin', function (event) {
    const cell = event.target.closest('.board .cell');
    if (!cell) { hide(); return; }
    document.querySelectorAll('.board .cell[tabindex="0"]').forEach(other => { other.tabIndex = -1; });
    cell.tabIndex = 0;
    place(cell);
  });
  document.addEventListener('scroll', function () {
    const cell = document.activeElement.closest('.board .cell');
    if (cell) place(cell); else hide();
  }, { passive: true });
  document.addEventListener('keydown', function (event) {
    if (event.key === 'Escape') { hide(); return; }
    const cell = document.activeElement && document.activeElement.closest('.board .cell');
    if (!cell || !event.key.startsWith('Arrow')) return;
    const row = cell.closest('tr'), cells = [...row.querySelectorAll('.cell')], i = cells.indexOf(cell);
    const next = { ArrowLeft: () => cells[i - 1], ArrowRight: () => cells[i + 1],
      ArrowUp: () => row.previousElementSibling && row.previousElementSibling.querySelectorAll('.cell')[i],
      ArrowDown: () => row.nextElementSibling && row.nextElementSibling.querySelectorAll('.cell')[i] }[event.key]();
    if (next) { event.preventDefault(); next.focus(); }
  });
  document.addEventListener('htmx:afterSwap', settle);
  settle();
})();
