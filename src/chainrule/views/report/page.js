// Draws the figures, and keeps them in the colors of the page: light, dark, and whichever the reader chooses.
"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const figures = [...document.querySelectorAll(".figure")];
  const shades = { "#0072B2": "--train", "#D55E00": "--watched" };  // those of figures that are dim on dark pages
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function themed(spec, width) {
    const layout = structuredClone(spec.layout);
    const data = structuredClone(spec.data);
    layout.font = { ...layout.font, color: color("--soft") };
    layout.title.font = { ...layout.title.font, color: color("--ink") };
    layout.hoverlabel = { ...layout.hoverlabel, bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--ink") } };
    const narrow = window.innerWidth < 560;
    const names = data.filter((trace) => trace.name && trace.showlegend !== false).map((trace) => trace.name);
    const lines = wrap(layout.title, Math.floor(width / (narrow ? 9 : 11)));
    const bar = layout.meta === "bar_above" ? 18 : 0;  // the height of what it says
    if (!narrow && lines > 1) {
      const more = 24 * (lines - 1) + 2 * bar;  // half of it is above the title
      layout.margin.t += more;
      layout.height += more;
    }
    if (narrow) {
      const panels = Object.keys(layout).filter((key) => key.startsWith("xaxis"));
      layout.margin = { ...layout.margin, l: 44, r: 6, t: 36 + 18 * lines + bar };
      Object.assign(layout.title, { y: 1, yref: "container", yanchor: "top", pad: { t: 14 } });
      layout.font.size = 11;
      layout.title.font.size = 15;
      for (const note of layout.annotations ?? []) note.font = { ...note.font, size: 11 };
      for (const panel of panels) {
        wrap(layout[panel].title, 44);
        const axis = layout[panel.replace("x", "y")];
        wrap(axis?.title, 30);
        if (axis?.ticktext) axis.ticktext = axis.ticktext.map((text) => text.replace(" = ", "<br>= "));
      }
      if (layout.meta === "side by side" && panels.length > 1) stack(layout, data);
      else if (panels.length === 1 && layout.height > 400 && !data.some((trace) => trace.type === "bar")) layout.height = 400;
      if (layout.meta === "labels at the right") Object.assign(layout, { annotations: [], showlegend: true });
      if (names.length > 1 && layout.showlegend !== false) below(layout, names);
      thin(layout);
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

  // Breaks a title into lines of so many letters, and says how many there are.
  function wrap(title, letters) {
    if (!title?.text) return 1;
    const lines = [""];
    for (const word of title.text.split(/ |<br>/)) {
      const last = lines[lines.length - 1];
      if (last && last.length + 1 + word.length > letters) lines.push(word);
      else lines[lines.length - 1] = last ? `${last} ${word}` : word;
    }
    title.text = lines.join("<br>");
    return lines.length;
  }

  // Of names that would stand one over the other every second is left out, or every third, ...
  function thin(layout) {
    for (const key of Object.keys(layout).filter((name) => /^[xy]axis$/.test(name) && layout[name].tickmode === "array")) {
      const axis = layout[key];
      const room = key === "xaxis" ? window.innerWidth - 180 : layout.height - layout.margin.t - layout.margin.b - 60;
      const every = Math.ceil(13 * axis.tickvals.length / Math.max(room, 13));
      if (every < 2 || axis.tickvals.length < 4 || layout.meta === "side by side") continue;
      for (const part of ["tickvals", "ticktext"]) axis[part] = axis[part].filter((_, i) => i % every === 0);
    }
  }

  // The height that a panel of an image wants where it is as wide as the page, or that of a chart.
  function tallness(layout, data, panel) {
    const image = data.find((trace) => trace.type === "heatmap" && (trace.yaxis ?? "y") === `y${panel}`);
    if (!image || !layout[`yaxis${panel}`].scaleanchor) return 200;
    const [rows, columns] = image.z.shape ? image.z.shape.split(",").map(Number) : [image.z.length, image.z[0].length];
    return (window.innerWidth - 140) * rows / columns;
  }

  // On a phone the panels of a figure go one below the other.
  function stack(layout, data) {
    const titles = (layout.annotations ?? []).filter((note) => note.xref === "paper" && note.yref === "paper");
    const panels = Object.keys(layout).filter((key) => key.startsWith("xaxis")).map((key) => key.slice(5));
    const heights = panels.map((panel) => tallness(layout, data, panel));
    const gap = 86;
    const whole = heights.reduce((sum, height) => sum + height + gap, -gap);
    layout.margin.t += 22;
    layout.margin.b = 56;
    layout.height = whole + layout.margin.t + layout.margin.b;
    let above = 0;
    panels.forEach((panel, i) => {
      const top = 1 - above / whole;
      const domain = [Math.max(0, top - heights[i] / whole), top];
      above += heights[i] + gap;
      Object.assign(layout[`xaxis${panel}`], { domain: [0, 1], showticklabels: true, matches: null });
      Object.assign(layout[`yaxis${panel}`], { domain, showticklabels: true, matches: null });
      if (titles[i]) Object.assign(titles[i], { x: 0, xanchor: "left", y: top, font: { size: 12 } });
    });
  }

  // A legend of many entries goes below the axes, in two columns where they are short.
  function below(layout, names) {
    const columns = Math.max(...names.map((name) => name.length)) > 16 ? 1 : 2;
    const room = 24 * Math.ceil(names.length / columns);
    layout.height += 56 + room - layout.margin.b;
    layout.margin = { ...layout.margin, b: 56 + room };
    layout.legend = { ...layout.legend, x: 0, xanchor: "left", y: -56 / (layout.height - layout.margin.t - layout.margin.b), yanchor: "top" };
  }

  function draw() {
    for (const figure of figures.filter((each) => each.clientWidth)) {  // the others are folded
      const { data, layout } = themed(JSON.parse(document.getElementById(figure.dataset.spec).textContent), figure.clientWidth);
      figure.style.minHeight = `${layout.height}px`;
      Plotly.react(figure, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
    }
  }

  function theme(name) {
    root.dataset.theme = name;
    button.textContent = name === "dark" ? button.dataset.light : button.dataset.dark;
    button.setAttribute("aria-label", name === "dark" ? button.dataset.toLight : button.dataset.toDark);
    draw();
  }

  button.hidden = false;
  button.addEventListener("click", () => theme(root.dataset.theme === "dark" ? "light" : "dark"));
  dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
  for (const fold of document.querySelectorAll("details.fold")) fold.addEventListener("toggle", draw);
  window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details.fold")) fold.open = true;
    draw();
  });
  let narrow = window.innerWidth < 560;
  window.addEventListener("resize", () => {
    if ((window.innerWidth < 560) !== narrow) {
      narrow = !narrow;
      draw();
    }
  });

  const copy = document.getElementById("copy");
  if (copy) {
    const label = copy.textContent;
    copy.addEventListener("click", () => {
      const command = document.getElementById("command");
      const done = () => { copy.textContent = copy.dataset.done; setTimeout(() => { copy.textContent = label; }, 1500); };
      const select = () => window.getSelection().selectAllChildren(command);
      if (navigator.clipboard) navigator.clipboard.writeText(command.textContent).then(done, select);
      else select();
    });
  }

  theme(dark.matches ? "dark" : "light");
})();
