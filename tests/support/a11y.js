// What a11y.py asks of a page. Each audit returns a sentence for each fault.
(() => {
  const CONTROL = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [role=slider], [tabindex]';
  const all = (selector) => [...document.querySelectorAll(selector)];

  function say(element) {
    const { tagName, dataset, textContent } = element, classes = element.getAttribute('class');
    const name = `${tagName.toLowerCase()}${classes ? `.${classes.trim().split(/\s+/).join('.')}` : ''}`;
    return `${name}${dataset.test ? `[data-test=${dataset.test}]` : ''} “${textContent.trim().replace(/\s+/g, ' ').slice(0, 30)}”`;
  }

  function shown(element) {
    const { width, height } = element.getBoundingClientRect();
    return width > 0 && height > 0 && element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  }

  const clipped = (element) => Boolean(element.closest('.visually-hidden'));
  const canHaveFocus = (element) => element.tabIndex >= 0 && !element.disabled && shown(element) && !element.closest('[inert]');

  // Whether some of what is in an element is seen only when it is scrolled.
  function isScrolled(element) {
    const { overflowX, overflowY } = getComputedStyle(element), scrolls = (overflow) => ['auto', 'scroll'].includes(overflow);
    const isWide = scrolls(overflowX) && element.scrollWidth > element.clientWidth + 13, isHigh = scrolls(overflowY) && element.scrollHeight > element.clientHeight + 13;
    return (isWide || isHigh) && element !== document.documentElement && element !== document.body && shown(element) && !element.closest('[inert]');
  }

  const words = (text) => text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean).join(' ');
  // Whether a name has a text in it, word by word; between Chinese words there are no spaces.
  const hasWords = (name, text) => (/\p{Script=Han}/u.test(text) ? words(name).includes(words(text)) : ` ${words(name)} `.includes(words(text) && ` ${words(text)} `));

  // A control is called by what it shows, which is what somebody says who speaks to a computer.
  function misnamed() {
    const read = texts().filter(([, parent]) => !parent.closest('[aria-hidden=true]'));
    const shows = (element) => read.filter(([, parent]) => element.contains(parent)).map(([text]) => text).join(' ');
    return all('button[aria-label], a[href][aria-label], [role=button][aria-label]').filter(shown).filter((element) => !hasWords(element.getAttribute('aria-label'), shows(element)))
      .map((element) => `${say(element)} is called ${element.getAttribute('aria-label')}`);
  }

  // --- structure

  function structure(language) {
    const faults = [];
    const { lang } = document.documentElement;
    if (lang !== language) faults.push(`the page says that it is in ${lang}`);
    const mains = all('main, [role=main]').filter(shown).length, first = all('h1').filter(shown).length;
    if (mains !== 1) faults.push(`${mains} main landmarks`);
    if (first !== 1) faults.push(`${first} headings of level 1`);
    const ids = all('[id]').map(({ id }) => id);
    for (const id of new Set(ids)) {
      if (ids.filter((other) => other === id).length > 1) faults.push(`the id ${id} is there twice`);
    }
    for (const name of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for']) {
      for (const element of all(`[${name}]`)) {
        const lost = element.getAttribute(name).split(' ').filter((id) => id && !document.getElementById(id));
        if (lost.length) faults.push(`${name} of ${say(element)} means nothing`);
      }
    }
    let level = 0;
    for (const heading of all('h1, h2, h3, h4, h5, h6').filter(shown)) {
      const own = Number(heading.tagName[1]);
      if (own > level + 1) faults.push(`${say(heading)} follows a heading of level ${level}`);
      level = own;
    }
    for (const element of all('[tabindex]')) if (element.tabIndex > 0) faults.push(`${say(element)} has a positive tabindex`);
    for (const element of all('[aria-hidden=true]')) {
      const inside = [element, ...element.querySelectorAll(CONTROL)];
      if (inside.some(canHaveFocus)) faults.push(`${say(element)} is hidden from screen readers, and Tab goes there`);
    }
    for (const element of all('*').filter(isScrolled)) {
      const inside = [element, ...element.querySelectorAll(CONTROL)];
      if (!inside.some(canHaveFocus)) faults.push(`${say(element)} scrolls, and Tab does not go there`);
    }
    for (const table of all('table').filter(shown)) if (!table.querySelector('th')) faults.push(`${say(table)} has no headings`);
    return faults;
  }

  // A picture has a role and a label, or is part of a control or a picture that has a name; or it is hidden beside something
  // that can be read.
  function canvases() {
    const faults = [];
    for (const canvas of all('canvas').filter(shown)) {
      if (canvas.getAttribute('role') && canvas.getAttribute('aria-label')) continue;
      if (canvas.closest('button, [aria-label]:is(figure, [role=img], [role=application])')) continue;
      const { parentElement } = canvas, table = document.querySelector('main :is(table, dl)');
      const beside = parentElement.textContent.trim() || parentElement.querySelector(':scope > [aria-label]') || table;
      if (!canvas.closest('[aria-hidden=true]')) faults.push(`${say(canvas)} has neither a role and a label nor aria-hidden`);
      else if (!beside) faults.push(`${say(canvas)} is hidden, and nothing says what it shows`);
    }
    return faults;
  }

  // Every text that is seen, with its element.
  function texts() {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement, text = node.textContent.trim();
      if (text && !['SCRIPT', 'STYLE', 'OPTION'].includes(parent.tagName) && shown(parent)) found.push([text, parent]);
    }
    return found;
  }

  function languages() {
    const untold = (element) => !element.closest('[lang]').lang.startsWith('zh') && !element.closest('[aria-hidden=true]');
    return texts().filter(([text, parent]) => /[\u3400-\u9fff]/.test(text) && untold(parent))
      .map(([, parent]) => `${say(parent)} is Chinese and does not say so`);
  }

  // --- contrast, as WCAG 2 defines it

  const pixel = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const memory = new Map();

  // [r, g, b, alpha] of a color, however CSS writes it.
  function color(text) {
    if (!memory.has(text)) {
      pixel.clearRect(0, 0, 1, 1);
      pixel.fillStyle = text;
      pixel.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
      memory.set(text, [r, g, b, a / 255]);
    }
    return memory.get(text);
  }

  const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);

  // What an element's text stands on; null where that is a picture.
  function ground(element) {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const { backgroundColor, backgroundImage } = getComputedStyle(one);
      if (backgroundImage !== 'none') return null;
      layers.push(color(backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  }

  function isDisabled(element) {
    const label = element.closest('label');
    return element.closest(':disabled, [aria-disabled=true], [inert]') || (label && label.control && label.control.disabled);
  }

  function contrast() {
    const faults = [];
    for (const [, parent] of texts()) {
      const below = ground(parent);
      if (!below || clipped(parent) || isDisabled(parent)) continue;
      const style = getComputedStyle(parent), size = parseFloat(style.fontSize);
      let opacity = 1;
      for (let one = parent; one; one = one.parentElement) opacity *= Number(getComputedStyle(one).opacity);
      const [r, g, b, a] = color(parent.namespaceURI.endsWith('svg') ? style.fill : style.color);
      const [more, less] = [light(over([r, g, b, a * opacity], below)), light(below)].sort((x, y) => y - x);
      const found = (more + 0.05) / (less + 0.05);
      const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
      if (found < least - 0.005) faults.push(`${say(parent)} has a contrast of ${found.toFixed(2)}, and ${least} is the least`);
    }
    return faults;
  }

  function motion() {
    return document.getAnimations().filter(({ playState }) => playState === 'running').map(({ effect }) => `${say(effect.target)} moves`);
  }

  // --- touch and keys

  function touch() {
    const { scrollWidth, clientWidth } = document.documentElement, faults = [];   // innerWidth grows with what is too wide
    if (scrollWidth > clientWidth) {
      faults.push(`the page is ${scrollWidth} pixels wide`);
      for (const element of all('main *').filter(shown)) {
        const { right } = element.getBoundingClientRect();
        if (right > clientWidth + 1) faults.push(`${say(element)} ends at ${Math.round(right)}`);
      }
    }
    for (const element of all(CONTROL)) {
      const native = ['BUTTON', 'A', 'INPUT', 'SELECT', 'SUMMARY'].includes(element.tagName);
      if (!shown(element) || element.disabled || clipped(element) || (element.tabIndex < 0 && !native)) continue;
      const target = (['checkbox', 'radio'].includes(element.type) && element.closest('label')) || element;
      const { width, height } = target.getBoundingClientRect();
      if (Math.min(width, height) < 23.5) faults.push(`${say(target)} is ${width.toFixed(0)} x ${height.toFixed(0)} pixels`);
    }
    return faults;
  }

  // Everything that Tab should reach, numbered.
  function stops() {
    const found = all(`${CONTROL}, [contenteditable]`).filter((one) => canHaveFocus(one) && (one.type !== 'radio' || one.checked));
    found.forEach((one, i) => { one.dataset.stop = i; });
    return found.map(say);
  }

  // What has the focus: its number, whether that is seen, and what it is; null for nothing.
  function focused() {
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    const outlined = ({ outlineStyle, outlineWidth }) => outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
    const style = getComputedStyle(one), label = one.closest('label');
    const seen = outlined(style) || style.boxShadow !== 'none' || (label !== null && outlined(getComputedStyle(label)));
    return [Number(one.dataset.stop ?? -1), seen, say(one)];
  }

  // How many pictures change within eight frames.
  async function moving() {
    const pictures = () => all('canvas').filter(({ width, height }) => width && height).map((canvas) => canvas.toDataURL());
    const before = pictures();
    for (let i = 0; i < 8; ++i) await new Promise((resolve) => { requestAnimationFrame(resolve); });
    const after = pictures();
    return after.filter((picture, i) => picture !== before[i]).length;
  }

  const audit = (language) => [...new Set([structure(language), misnamed(), canvases(), languages(), contrast(), motion()].flat())];
  window.a11y = { audit, touch: () => [...new Set(touch())], stops, focused, moving };
})();
