// Drag the end of a bar, or move it with the keys, to see what another day would do. Nothing is saved here: the form below is.
(function () {
  const DAY = 86400000;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -30, PageUp: 30 };
  let waiting = 0;

  function track(handle) { return handle.parentElement; }
  function first(handle) { return Date.parse(track(handle).dataset.first); }
  function days(handle) { return Number(track(handle).dataset.days); }
  function iso(time) { return new Date(time).toISOString().slice(0, 10); }
  function number(handle) { return Number(handle.getAttribute('aria-valuenow')); }

  function place(handle, n) {
    n = Math.min(days(handle), Math.max(0, n));
    const bar = track(handle).querySelector('.gantt-bar');
    const left = 100 * n / days(handle);
    const start = parseFloat(bar.style.left);
    handle.style.left = left + '%';
    bar.style.width = Math.max(0.8, left - start) + '%';
    handle.setAttribute('aria-valuenow', String(n));
    handle.setAttribute('aria-valuetext', iso(first(handle) + n * DAY));
    handle.dataset.shown = iso(first(handle) + n * DAY);
  }
  function reset(handle) {
    place(handle, Math.round((Date.parse(handle.dataset.day) - first(handle)) / DAY));
    delete handle.dataset.shown;
  }
  function show(handle, follow) {
    window.clearTimeout(waiting);
    document.querySelectorAll('.gantt-handle').forEach(h => { if (h !== handle) reset(h); });
    const day = handle.dataset.shown;
    if (!day || day === handle.dataset.day) return;
    window.htmx.ajax('GET', handle.dataset.url + '?ends_on=' + day, { target: '#replan', swap: 'innerHTML' })
      .then(function () {
        const title = document.getElementById('replan-title');
        if (!follow || !title) return;
        title.focus({ preventScroll: true });
        title.scrollIntoView({ block: 'center' });
      });
  }

  document.querySelectorAll('.gantt-handle').forEach(function (handle) {
    handle.addEventListener('pointerdown', function (event) {
      if (event.button) return;
      handle.setPointerCapture(event.pointerId);
      handle.classList.add('dragging');
      event.preventDefault();
      handle.focus({ preventScroll: true });
    });
    handle.addEventListener('pointermove', function (event) {
      if (!handle.classList.contains('dragging')) return;
      const box = track(handle).getBoundingClientRect();
      place(handle, Math.round((event.clientX - box.left) / box.width * days(handle)));
    });
    handle.addEventListener('pointerup', function () {
      if (!handle.classList.contains('dragging')) return;
      handle.classList.remove('dragging');
      show(handle, true);
    });
    handle.addEventListener('pointercancel', function () { handle.classList.remove('dragging'); reset(handle); });
    handle.addEventListener('keydown', function (event) {
      if (event.key in steps) {
        event.preventDefault();
        place(handle, number(handle) + steps[event.key] * (event.shiftKey ? 7 : 1));
        window.clearTimeout(waiting);
        waiting = window.setTimeout(function () { show(handle, false); }, 700);
      } else if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        show(handle, true);
      } else if (event.key === 'Escape') {
        window.clearTimeout(waiting);
        reset(handle);
        document.getElementById('replan').replaceChildren();
      }
    });
  });
})();
