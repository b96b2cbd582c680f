"use strict";
// Draws the figures with the colours that the page has now: light, dark or on paper.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const variable = /^var\((--[a-z0-9-]+?)(-soft)?\)$/;
  const paperWidth = 680;
  const phoneWidth = 480;
  const config = { displayModeBar: false, responsive: true };

  const soft = (colour) => {
    const parts = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
    return `rgba(${parts.join(",")},0.45)`;
  };

  const resolved = (value, style) => {
    if (typeof value === "string") {
      const found = variable.exec(value);
      if (!found) return value;
      const colour = style.getPropertyValue(found[1]).trim();
      return found[2] ? soft(colour) : colour;
    }
    if (Array.isArray(value)) return value.map((part) => resolved(part, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([key, part]) => [key, resolved(part, style)]),
      );
    }
    return value;
  };

  const fitToPhone = (layout) => {
    if (layout.meta.has_numbers_at_ends) layout.xaxis.range[1] *= 1.35;
    if (layout.xaxis.nticks) layout.xaxis.nticks = 5;
  };

  const fitToPaper = (layout) => {
    Object.assign(layout, { width: paperWidth, autosize: false });
    layout.font.size = 11;
  };

  const draw = (onPaper) => {
    const style = getComputedStyle(root);
    const drawn = Object.entries(figures).map(([name, figure]) => {
      const { data, layout } = resolved(figure, style);
      const place = document.getElementById(name);
      layout.height = place.dataset.height * (onPaper ? 0.72 : 1);
      place.style.height = `${layout.height}px`;
      if (onPaper) fitToPaper(layout);
      else if (place.clientWidth < phoneWidth) fitToPhone(layout);
      // Drawn anew: an update in place would still be moving when the page is printed.
      Plotly.purge(place);
      return Plotly.newPlot(place, data, layout, config);
    });
    return Promise.all(drawn);
  };

  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(false));
  window.addEventListener("beforeprint", () => {
    root.classList.add("on-paper");
    draw(true);
  });
  window.addEventListener("afterprint", () => {
    root.classList.remove("on-paper");
    draw(false);
  });
  draw(false).then(() => {
    root.dataset.drawn = "yes";
  });
})();
