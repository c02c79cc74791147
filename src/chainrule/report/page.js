// Draws the figures, and keeps them in the colors of the page: light, dark, and whichever the reader chooses.
"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const figures = [...document.querySelectorAll(".figure")];
  const shades = { "#0072B2": "--train", "#D55E00": "--watched" };  // those of figures.py that are dim on dark pages
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function themed(spec) {
    const layout = structuredClone(spec.layout);
    const data = structuredClone(spec.data);
    layout.font = { ...layout.font, color: color("--soft") };
    layout.title.font = { ...layout.title.font, color: color("--ink") };
    layout.hoverlabel = { ...layout.hoverlabel, bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--ink") } };
    const narrow = window.innerWidth < 560;
    if (narrow) {
      layout.margin = { ...layout.margin, l: 44, r: 6, t: 78 };
      if (layout.height > 400) layout.height = 400;
      layout.font.size = 11;
    }
    for (const trace of data) {
      if (trace.type === "heatmap") {
        trace.textfont = { size: narrow ? 9 : 12, color: trace.textfont?.color ?? color("--ink") };
      }
      for (const part of [trace.line, trace.marker]) {
        if (part?.color in shades) part.color = color(shades[part.color]);
      }
    }
    return { data, layout };
  }

  function draw() {
    for (const figure of figures) {
      const { data, layout } = themed(JSON.parse(document.getElementById(figure.dataset.spec).textContent));
      figure.style.minHeight = `${layout.height}px`;
      Plotly.react(figure, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
    }
  }

  function theme(name) {
    root.dataset.theme = name;
    button.textContent = name === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${name === "dark" ? "light" : "dark"} theme`);
    draw();
  }

  button.hidden = false;
  button.addEventListener("click", () => theme(root.dataset.theme === "dark" ? "light" : "dark"));
  dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
  let narrow = window.innerWidth < 560;
  window.addEventListener("resize", () => {
    if ((window.innerWidth < 560) !== narrow) {
      narrow = !narrow;
      draw();
    }
  });

  const copy = document.getElementById("copy");
  if (copy) {
    copy.addEventListener("click", () => {
      const command = document.getElementById("command");
      const done = () => { copy.textContent = "Copied"; setTimeout(() => { copy.textContent = "Copy"; }, 1500); };
      const select = () => window.getSelection().selectAllChildren(command);
      if (navigator.clipboard) navigator.clipboard.writeText(command.textContent).then(done, select);
      else select();
    });
  }

  theme(dark.matches ? "dark" : "light");
})();
