// Tables that sort by a click or a key on a heading.
(() => {
  'use strict';
  const number = text => {
    const plain = text.replaceAll('\u2212', '-').replace(/[\u202f<\s]/g, '');
    if (plain.startsWith('\u221e')) return Infinity;
    if (plain.startsWith('-\u221e')) return -Infinity;
    return parseFloat(plain);
  };
  // A mean without the interval below it.
  const shown = cell => cell && cell.firstChild ? cell.firstChild.textContent.trim() : '';

  // Places of headings in the order of a row's cells: those of two rows come first and last.
  function headings(table) {
    const rows = [...table.tHead.rows];
    if (rows.length === 1) return [...rows[0].cells];
    const upper = [...rows[0].cells];
    const start = upper.filter((cell, i) => cell.rowSpan > 1 && upper.slice(0, i).every(c => c.rowSpan > 1));
    return [...start, ...rows[1].cells];
  }

  function sort(table, heads, index) {
    const head = heads[index];
    const before = head.getAttribute('aria-sort');
    const first = head.dataset.sort === '\u2191' ? 'descending' : 'ascending';
    const other = first === 'ascending' ? 'descending' : 'ascending';
    const order = before === first ? other : first;
    heads.forEach(h => { if (h.hasAttribute('aria-sort')) h.setAttribute('aria-sort', 'none'); });
    head.setAttribute('aria-sort', order);
    const sign = order === 'ascending' ? 1 : -1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map(row => {
      const text = shown(row.cells[index]);
      return { row, text, value: number(text) };
    });
    const numeric = head.dataset.sort !== 'text';
    rows.sort((a, b) => {
      if (!numeric) return sign * a.text.localeCompare(b.text, undefined, { numeric: true });
      const missing = Number.isNaN(a.value) - Number.isNaN(b.value);
      return missing || (a.value === b.value ? 0 : sign * (a.value < b.value ? -1 : 1));
    });
    body.append(...rows.map(r => r.row));
    document.getElementById('announcer').textContent =
      'Sorted by ' + head.textContent.trim() + ', ' + order + '.';
  }

  for (const table of document.querySelectorAll('table')) {
    const heads = headings(table);
    heads.forEach((head, index) => {
      if (!('sort' in head.dataset)) return;
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      button.addEventListener('click', () => sort(table, heads, index));
      head.append(button);
      head.setAttribute('aria-sort', 'none');
    });
  }
})();
