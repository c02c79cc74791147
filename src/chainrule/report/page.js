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
    const names = data.filter((trace) => trace.name && trace.showlegend !== false).map((trace) => trace.name);
    if (narrow) {
      layout.margin = { ...layout.margin, l: 44, r: 6, t: 78 };
      if (layout.height > 400) layout.height = 400;
      layout.font.size = 11;
      layout.title.font.size = 15;
      if (layout.meta === "side by side" && layout.xaxis2) stack(layout);
      if (layout.meta === "labels at the right") Object.assign(layout, { annotations: [], showlegend: true });
      if (names.length > 3) below(layout, names);
    }
    for (const trace of data) {
      if (trace.type === "heatmap") {
        const ink = trace.textfont?.color;
        trace.textfont = { size: narrow ? 9 : 12, color: !ink || ink === "#333333" ? color("--ink") : ink };
      }
      for (const part of [trace.line, trace.marker]) {
        if (names.length <= 3 && part?.color in shades) part.color = color(shades[part.color]);
      }
    }
    return { data, layout };
  }

  // On a phone the panels of a figure go one below the other.
  function stack(layout) {
    const titles = (layout.annotations ?? []).filter((note) => note.xref === "paper" && note.yref === "paper");
    const panels = Object.keys(layout).filter((key) => key.startsWith("xaxis")).map((key) => key.slice(5));
    const [tall, gap] = [200, 86];
    const whole = panels.length * (tall + gap) - gap;
    layout.height = whole + 134;
    panels.forEach((panel, i) => {
      const top = 1 - i * (tall + gap) / whole;
      const domain = [Math.max(0, top - tall / whole), top];
      Object.assign(layout[`xaxis${panel}`], { domain: [0, 1], showticklabels: true, matches: null });
      Object.assign(layout[`yaxis${panel}`], { domain, showticklabels: true, matches: null });
      if (titles[i]) Object.assign(titles[i], { x: 0, xanchor: "left", y: top, font: { size: 12 } });
    });
  }

  // A legend of many entries goes below the axes, in two columns where they are short.
  function below(layout, names) {
    const columns = Math.max(...names.map((name) => name.length)) > 16 ? 1 : 2;
    const room = 24 * Math.ceil(names.length / columns);
    layout.margin = { ...layout.margin, t: 64, b: 56 + room };
    layout.height += room;
    layout.legend = { ...layout.legend, x: 0, xanchor: "left", y: -56 / (layout.height - layout.margin.t - layout.margin.b), yanchor: "top" };
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
