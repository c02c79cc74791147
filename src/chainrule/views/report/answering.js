// A row is typed into the form, and the answer of `predict` shows beside it. The module with `predict` is above.
{
  const form = document.querySelector('#row'), answer = document.querySelector('#answer'), problem = document.querySelector('#problem');
  const element = (name, className, text = '') => Object.assign(document.createElement(name), { className, textContent: text });
  const digits = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(6))) : '-');
  const shown = (label) => (label === true ? form.dataset.yes : label === false ? form.dataset.no : String(label));

  function rowOf() {
    if (inputs[0].holds === 'numbers' && !inputs[0].names.length) {
      return [...new FormData(form).get('X').toString().matchAll(/[^\s,;]+/g)].map(([text]) => Number(text));
    }
    const named = inputs[0].holds === 'numbers';
    return Object.fromEntries([...form.elements].filter((field) => field.name).map((field) => {
      const text = field.localName === 'select' ? field.value : field.value.trim();
      return [field.name, named ? (text === '' ? NaN : Number(text)) : text === '' ? null : field.type === 'datetime-local' ? new Date(`${text}Z`) : field.type === 'number' ? Number(text) : text];
    }));
  }

  function bars(found) {
    const order = [...found.probabilities.keys()].sort((a, b) => found.probabilities[b] - found.probabilities[a]).slice(0, 12);
    const list = element('dl', 'bars');
    for (const k of order) {
      const share = found.probabilities[k], bar = element('dd', 'bar');
      bar.style.setProperty('--share', String(share));
      bar.append(element('span', 'share', `${(100 * share).toFixed(1)} %`));
      list.append(element('dt', '', shown(labels[k] ?? k)), bar);
    }
    return list;
  }

  function show() {
    try {
      const found = predict(rowOf());
      problem.textContent = '';
      if (task === 'regression') {
        const values = Array.isArray(found) ? found : [found];
        answer.replaceChildren(...values.map((value, k) => element('p', 'number', `${values.length > 1 ? `${form.dataset.output.replace('0', k)} ` : ''}${digits(value)}`)));
      } else {
        const label = Array.isArray(found.label) ? found.label.map(shown).join(', ') || '-' : shown(found.label);
        answer.replaceChildren(element('p', 'number', label), bars(found));
      }
    } catch (error) {
      problem.textContent = error.message;
      answer.replaceChildren();
    }
  }

  form.addEventListener('input', show);
  form.addEventListener('submit', (event) => event.preventDefault());
  show();
}
