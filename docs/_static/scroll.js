// What scrolls sideways takes the focus, so that keys scroll it too.
const reach = () => {
  for (const box of document.querySelectorAll('pre, .table-wrapper')) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute('tabindex');
  }
};
addEventListener('load', reach);
addEventListener('resize', reach);
