// Selections: which pictures and which histograms are shown.
(() => {
  'use strict';
  const filters = document.querySelector('[data-filters]');
  const selected = name => filters.querySelector('[data-filter=' + name + ']').value;
  const fits = (wanted, own) => wanted === '' || wanted === own;

  function filter() {
    const set = selected('set');
    const contestant = selected('contestant');
    const kind = selected('kind');
    let shown = 0;
    for (const shelf of document.querySelectorAll('.shelf')) {
      const open = fits(set, shelf.dataset.set) && fits(contestant, shelf.dataset.contestant);
      let inside = 0;
      for (const figure of shelf.querySelectorAll('figure')) {
        figure.hidden = !(open && fits(kind, figure.dataset.kind));
        if (!figure.hidden) inside += 1;
      }
      shelf.hidden = inside === 0;
      shown += inside;
    }
    document.getElementById('no-pictures').hidden = shown > 0;
    document.getElementById('announcer').textContent = shown + ' pictures shown.';
  }
  if (filters) filters.addEventListener('change', filter);

  for (const select of document.querySelectorAll('[data-plots]')) {
    const plots = select.closest('section').querySelectorAll('.plot');
    const show = () => plots.forEach((plot, i) => { plot.hidden = String(i) !== select.value; });
    select.addEventListener('change', show);
    show();
  }
})();
