// Small manners for forms: a submit shows that it is under way and cannot be sent twice; a form, its button or the choice in it may ask first.
document.addEventListener('submit', function (event) {
  const form = event.target;
  const asking = [event.submitter, form.querySelector('option:checked[data-confirm]'), form];
  const question = asking.map(one => one && one.dataset.confirm).find(Boolean);
  if (question && !window.confirm(question)) { event.preventDefault(); return; }
  if (form.classList.contains('busy')) { event.preventDefault(); return; }
  if (form.method === 'post') form.classList.add('busy');
});
window.addEventListener('pageshow', function () {
  document.querySelectorAll('form.busy').forEach(form => form.classList.remove('busy'));
});
// A table's head box selects all rows of its table.
document.addEventListener('change', function (event) {
  const all = event.target;
  if (!all.matches('[data-select-all]')) return;
  all.closest('table').querySelectorAll('tbody input[type=checkbox]').forEach(box => { box.checked = all.checked; });
});
// A menu closes when something else is chosen.
document.addEventListener('click', function (event) {
  document.querySelectorAll('details[data-menu][open]').forEach(menu => { if (!menu.contains(event.target)) menu.open = false; });
});
document.addEventListener('keydown', function (event) {
  if (event.key === 'Escape') document.querySelectorAll('details[data-menu][open]').forEach(menu => { menu.open = false; });
});
