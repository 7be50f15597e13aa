const pcr = (() => {
  "use strict";
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const views = {};

  // Draws a chart into an element; `datasets` fill what the chart leaves open.
  const draw = async (id, spec, datasets) => {
    const place = document.getElementById(id);
    if (views[id]) views[id].finalize();
    const filled = datasets ? { ...spec, datasets: { ...spec.datasets, ...datasets } } : spec;
    place.style.minHeight = `${filled.height}px`;
    const drawn = await window.vegaEmbed(place, filled, { mode: "vega-lite", actions: false });
    place.removeAttribute("role");
    const picture = place.querySelector("svg, canvas");
    if (picture) {
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", filled.description);
    }
    views[id] = drawn;
    specs[id] = filled;
    return drawn;
  };

  const cell = (value) => {
    const shown = typeof value === "number" ? Number(value.toPrecision(6)) : value;
    const text = shown === null || shown === undefined ? "" : String(shown);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  // Every table that a chart was drawn from, one below the other in one file, with n, events, scale and sampling.
  const csv = (id) => {
    const about = (specs[id].usermeta || {}).about || {};
    const tables = Object.values(specs[id].datasets || {}).map((data) =>
      typeof data === "string" ? window.pcrParse(data) : data);
    const shown = tables.filter((rows) => rows.length && !("reference" in rows[0]) && !("a" in rows[0]));
    const columns = [...new Set(shown.flatMap((rows) => Object.keys(rows[0])))];
    const more = Object.keys(about);
    const header = [...(shown.length > 1 ? ["part"] : []), ...columns, ...more.map((name) => `figure_${name}`)];
    const lines = shown.flatMap((rows, part) => rows.map((row) => [
      ...(shown.length > 1 ? [part + 1] : []), ...columns.map((name) => row[name]), ...more.map((name) => about[name]),
    ]));
    return [header, ...lines].map((line) => line.map(cell).join(",")).join("\n") + "\n";
  };

  window.pcrParse = (text) => {
    const rows = [];
    let row = [], value = "", quoted = false;
    for (let i = 0; i < text.length; i += 1) {
      const c = text[i];
      if (quoted) {
        if (c === '"' && text[i + 1] === '"') { value += c; i += 1; }
        else if (c === '"') quoted = false;
        else value += c;
      } else if (c === '"') quoted = true;
      else if (c === ",") { row.push(value); value = ""; }
      else if (c === "\n") { rows.push([...row, value]); row = []; value = ""; }
      else value += c;
    }
    const [header, ...body] = rows;
    return body.map((line) => Object.fromEntries(header.map((name, i) => [name, line[i]])));
  };

  const save = (name, content, type) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-save]");
    if (!button) return;
    const id = button.dataset.figure;
    if (!views[id]) await draw(id, specs[id]);
    if (button.dataset.save === "csv") save(`${id}.csv`, csv(id), "text/csv");
    else if (button.dataset.save === "png") {
      // A pixel of the page is a 96th of an inch.
      const canvas = await views[id].view.toCanvas(300 / 96);
      canvas.toBlob((picture) => save(`${id}.png`, picture, "image/png"));
    }
    else save(`${id}.svg`, await views[id].view.toSVG(), "image/svg+xml");
  });

  // Figures are drawn when they come near the screen, so that the page is there at once.
  const waiting = new Set();
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting || !waiting.has(entry.target.id)) continue;
      waiting.delete(entry.target.id);
      near.unobserve(entry.target);
      draw(entry.target.id, specs[entry.target.id]);
    }
  }, { rootMargin: "600px" });
  const drawAll = async () => {
    for (const id of [...waiting]) {
      waiting.delete(id);
      await draw(id, specs[id]);
    }
    document.documentElement.dataset.drawn = "yes";
  };
  for (const [id, spec] of Object.entries(specs)) {
    if (spec.usermeta.filled) continue;
    waiting.add(id);
    near.observe(document.getElementById(id));
  }

  // Every heading links to itself, and the contents mark the section that is read.
  const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
  for (const section of document.querySelectorAll("main section[id]")) {
    const heading = section.querySelector("h2");
    if (!heading) continue;
    const link = document.createElement("a");
    Object.assign(link, { href: `#${section.id}`, className: "permalink", textContent: "#" });
    link.setAttribute("aria-label", `Link to ${heading.textContent}`);
    heading.append(link);
  }
  const read = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting || !links.has(entry.target.id)) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id).setAttribute("aria-current", "location");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const section of document.querySelectorAll("main section[id]")) read.observe(section);

  // Printing leaves folded parts out, and draws what is shown as wide as a column of the printed page.
  const redraw = async (printing) => {
    document.documentElement.classList.toggle("printing", printing);
    for (const [id, spec] of Object.entries(specs)) {
      const place = document.getElementById(id);
      if (place && place.offsetParent && (views[id] || !spec.usermeta.filled)) await draw(id, spec);
    }
  };
  window.addEventListener("beforeprint", () => redraw(true));
  window.addEventListener("afterprint", () => redraw(false));
  return { specs, views, draw, drawAll, csv };
})();
