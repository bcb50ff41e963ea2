// Two pictures under one slider, for every figure of the page.
(() => {
  'use strict';
  document.documentElement.classList.add('js');
  const PAIRS = [['low', 'enhanced'], ['reference', 'enhanced'], ['error', 'enhanced']];
  const LABELS = { low: 'Low', enhanced: 'Enhanced', reference: 'Reference', error: 'Error map' };
  const element = (name, attributes, ...children) => {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...children);
    return made;
  };

  function arm(figure, index) {
    const stage = figure.querySelector('.stage');
    const views = {};
    for (const view of stage.querySelectorAll('.view')) views[view.dataset.role] = view;
    const pairs = PAIRS.filter(pair => pair.every(role => role in views));
    if (!pairs.length) return;
    const slider = element('input', { type: 'range', min: 0, max: 100, step: 1, value: 50 });
    let pair = pairs[0];

    const move = () => {
      const labels = pair.map(role => LABELS[role]);
      stage.style.setProperty('--cut', slider.value + '%');
      slider.setAttribute('aria-valuetext',
        slider.value + ' % ' + labels[0] + ', ' + (100 - slider.value) + ' % ' + labels[1]);
    };
    const choose = chosen => {
      pair = chosen;
      for (const role in views) {
        views[role].classList.toggle('left', role === pair[0]);
        views[role].classList.toggle('right', role === pair[1]);
      }
      slider.setAttribute('aria-label', figure.dataset.name + ': ' +
        pair.map(role => LABELS[role]).join(' against '));
      move();
    };
    slider.addEventListener('input', move);
    stage.append(slider, element('span', { className: 'knob' }));

    const controls = element('fieldset', { className: 'pairs' },
      element('legend', { className: 'vh', textContent: 'Compare with the enhanced picture' }));
    pairs.forEach((choice, i) => {
      const radio = element('input', { type: 'radio', name: 'pair-' + index, checked: i === 0 });
      radio.addEventListener('change', () => choose(choice));
      controls.append(element('label', {}, radio,
        element('span', { textContent: LABELS[choice[0]] })));
    });
    const enlarge = element('button', { type: 'button', className: 'enlarge', textContent: 'Enlarge' });
    enlarge.addEventListener('click', () => {
      const large = figure.classList.toggle('large');
      enlarge.textContent = large ? 'Reduce' : 'Enlarge';
      figure.scrollIntoView({ block: 'nearest', behavior: 'instant' });
    });
    stage.after(element('div', { className: 'controls' }, controls, enlarge));
    choose(pair);
  }

  document.querySelectorAll('figure[data-kind]').forEach(arm);
})();
