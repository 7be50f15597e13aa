(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const features = data.features;
  const byName = Object.fromEntries(features.map((feature, i) => [feature.name, i]));
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const values = features.map((f) => (f.kind === "numeric" ? new Float32Array(bytes(f.values)) : new Int8Array(bytes(f.values))));
  const shap = features.map((f) => new Int32Array(bytes(f.shap)));
  const n = data.n;
  const contribution = (feature, i) => shap[feature][i] * data.scale;
  const missing = (feature, i) => (features[feature].kind === "numeric" ? Number.isNaN(values[feature][i]) : values[feature][i] < 0);
  const text = (feature, i) => {
    if (missing(feature, i)) return "missing";
    const f = features[feature];
    return f.kind === "numeric" ? number(f, values[feature][i]) : named(f.levels[values[feature][i]]);
  };
  // A logarithm is told as it was measured: three digits, a fraction in per cent.
  const measured = (f, x) => f.factor * (f.logarithm === "log10" ? 10 ** x : f.logarithm === "log1p" ? Math.expm1(x) : x);
  const number = (f, x) => String(Number(measured(f, x).toPrecision(f.logarithm || Math.abs(x) < 1 ? 3 : 5))).replace("-", "\u2212") + (f.unit === "%" ? " %" : "");
  const undone = (f) => (f.logarithm === "log10" ? `format(${f.factor} * pow(10, datum.value), ".2~g")` : 'format(exp(datum.value) - 1, ".2~g")');
  const named = (key) => data.names[key] || String(key).replaceAll("_", " ");
  const logistic = (x) => 1 / (1 + Math.exp(-x));
  // What is printed as zero has no sign.
  const signed = (x, digits = 2) => {
    const told = Math.abs(x).toFixed(digits);
    return Number(told) === 0 ? told : (x < 0 ? "\u2212" : "+") + told;
  };
  const element = (tag, attributes = {}, content = "") => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = content;
    return made;
  };
  const axisTitle = (f) => f.label + (f.unit || f.logarithm ? ` (${[f.unit, f.logarithm ? "log axis" : ""].filter(Boolean).join(", ")})` : "");

  // ---- one feature
  const chosen = document.getElementById("feature-chosen");
  const colour = document.getElementById("feature-colour");
  const split = document.getElementById("feature-split");
  const about = document.getElementById("feature-about");
  const places = [...document.querySelectorAll(".feature-chart")];
  const hash = (i) => ((i * 2654435761) % 1000) / 500 - 1;

  const colourOf = (second) => {
    if (second < 0) return { at: () => "all", encoding: { value: "#0072B2" } };
    const f = features[second];
    if (f.kind !== "numeric") return { at: (i) => text(second, i), encoding: null };
    return {
      at: (i) => (missing(second, i) ? null : Number(values[second][i].toPrecision(5))),
      encoding: { field: "colour", type: "quantitative", scale: { scheme: "viridis" }, legend: { title: axisTitle(f), gradientLength: 160, ...(f.logarithm ? { labelExpr: undone(f) } : {}) } },
    };
  };

  const drawFeature = async () => {
    const index = byName[chosen.value], f = features[index];
    const second = colour.value === "" || colour.value === chosen.value ? -1 : byName[colour.value];
    const paint = colourOf(second);
    const splitter = data.split && split && split.checked ? byName[data.split] : -1;
    const parts = splitter < 0 ? [null] : features[splitter].levels.map((level, code) => ({ level, code }));
    about.textContent = `${f.description}. Domain: ${f.domain}; known at: ${f.known}. `
      + (f.missing_count ? `${f.missing_count} patients have no value and are not drawn.` : "No value is missing.");
    for (const [place, target] of places.entries()) {
      const figure = target.closest("figure");
      figure.hidden = place >= parts.length;
      if (figure.hidden) continue;
      const part = parts[place];
      const inside = (i) => !missing(index, i) && (part === null || values[splitter][i] === part.code);
      const points = [];
      let events = 0;
      for (let i = 0; i < n; i += 1) {
        if (!inside(i)) continue;
        if (data.y) events += data.y[i];
        const x = f.kind === "numeric" ? Number(values[index][i].toPrecision(5)) : text(index, i);
        points.push({ x, told: text(index, i), y: Number(contribution(index, i).toPrecision(4)), colour: paint.at(i), jitter: hash(i) });
      }
      const drawn = part === null ? f.curve : (f.curves[part.level] || []);
      const curve = drawn.map((point) => (f.kind === "numeric" ? point : { ...point, x: named(point.x) }));
      // Without points, the curve's rows of all repeats tell how many patients it is of.
      const rows = f.kind === "numeric" ? (drawn.length ? drawn[0].n : 0) : drawn.reduce((sum, point) => sum + point.n, 0);
      const counted = data.n ? points.length : Math.round(rows / data.repeats);
      const spec = structuredClone(pcr.specs[`feature-${f.kind}`]);
      const layers = spec.layer;
      for (const layer of layers) {
        if (layer.encoding && layer.encoding.x) {
          layer.encoding.x.title = axisTitle(f);
          if (f.logarithm) layer.encoding.x.axis = { ...layer.encoding.x.axis, labelExpr: undone(f) };
        }
        if (layer.encoding && layer.encoding.color) {
          if (paint.encoding) layer.encoding.color = paint.encoding;
          else layer.encoding.color.legend.title = axisTitle(features[second]);
        }
      }
      spec.description = `Contribution of ${f.label} along its values, ${points.length} patients`;
      spec.title = part === null ? undefined : { text: `${features[splitter].label}: ${named(part.level)}`, anchor: "start", fontSize: 13 };
      Object.assign(spec.usermeta.about, { n: counted, events: data.n && data.y ? events : null, feature: f.name });
      document.getElementById(`feature-about-${place + 1}`).textContent = `n = ${counted.toLocaleString("en")}${data.n && data.y ? `, pCR ${events.toLocaleString("en")}` : ""}, ${spec.usermeta.about.scale}; ${spec.usermeta.about.sampling}.`;
      await pcr.draw(target.id, spec, { points, curve });
    }
  };

  for (const control of [chosen, colour, split]) if (control) control.addEventListener("change", drawFeature);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-feature]");
    if (!link || !(link.dataset.feature in byName)) return;
    chosen.value = link.dataset.feature;
    drawFeature();
  });

  // ---- one patient
  const search = document.getElementById("patient-search");
  let current = "";
  const showPatient = async (id, chosen = true) => {
    const i = data.ids.indexOf(id);
    const status = document.getElementById("patient-status");
    if (i < 0) {
      status.textContent = `Patient ${id} is not on this page. ${data.n < data.patients ? "It shows a sample; pcr report shows the others." : "Ids look like " + data.ids[0] + "."}`;
      return;
    }
    const p = data.p[i], base = data.base[i];
    status.textContent = `Patient ${id} is shown below.`;
    current = id;
    const order = features.map((_, k) => k).sort((a, b) => Math.abs(contribution(b, i)) - Math.abs(contribution(a, i)) || a - b);
    const shown = order.slice(0, 12), rest = order.slice(12);
    const steps = [{ label: "base value: average patient of the training folds", description: "Start of the explanation", from: 0, to: base, right: Math.max(0, base), text: `${signed(base)} (${(100 * logistic(base)).toFixed(1)} %)`, kind: "base" }];
    let at = base;
    for (const k of shown) {
      const c = contribution(k, i);
      steps.push({ label: `${features[k].label} = ${text(k, i)}`, key: features[k].name, description: features[k].description, from: at, to: at + c, right: Math.max(at, at + c), text: signed(c), kind: c < 0 ? "down" : "up" });
      at += c;
    }
    const others = rest.reduce((sum, k) => sum + contribution(k, i), 0);
    if (rest.length) steps.push({ label: `${rest.length} other features`, description: "Their summed contribution", from: at, to: at + others, right: Math.max(at, at + others), text: signed(others), kind: others < 0 ? "down" : "up" });
    at += others;
    steps.push({ label: "prediction", description: "Calibrated log-odds of pCR", from: 0, to: at, right: Math.max(0, at), text: `${signed(at)} (${(100 * p).toFixed(1)} %)`, kind: "prediction" });
    const spec = structuredClone(pcr.specs.waterfall);
    spec.height = 34 * steps.length;
    spec.description = `Waterfall of patient ${id}: from ${base.toFixed(3)} to ${at.toFixed(3)} on the log-odds.`;
    const about = (spec) => Object.assign(spec.usermeta.about, { n: 1, events: data.y[i], patient: id });
    about(spec);
    await pcr.draw("waterfall", spec, { steps });

    const facts = document.getElementById("patient-facts");
    facts.replaceChildren();
    const fact = (name, value) => facts.append(element("dt", {}, name), element("dd", {}, value));
    fact("Predicted probability of pCR", `${(100 * p).toFixed(1)} % out of fold, repeat ${data.repeat}` + (data.p_low[i] === data.p_high[i] ? "" : `; ${(100 * data.p_low[i]).toFixed(1)} to ${(100 * data.p_high[i]).toFixed(1)} % over the repeats`));
    fact("Observed", data.y[i] ? "pCR" : "no pCR");
    fact("Arm", named(data.arm[i]));
    if (data.branch) fact("Protocol branch", data.branch[i] === null ? "none" : `${data.branch[i]}${data.arm[i] === data.adaptive ? "" : " (virtual: treated as assigned)"}; not a treatment recommendation`);
    const absent = features.filter((_, k) => missing(k, i) && features[k].used).map((f) => f.label);
    fact("Inputs missing and imputed", absent.length ? absent.join("; ") : "none");

    const body = document.getElementById("patient-values");
    body.dataset.base = base; body.dataset.probability = p; body.dataset.patient = id;
    body.replaceChildren();
    for (const k of order) {
      const f = features[k], c = contribution(k, i);
      const row = element("tr", { "data-contribution": c });
      const head = element("th", { scope: "row" });
      head.append(element("span", { title: `${f.description} (${f.name})`, tabindex: "0", class: "described" }, f.label));
      row.append(head, element("td", { class: "number" }, text(k, i)), element("td", { class: "number" }, signed(c, 3)), element("td", { class: "unit" }, f.unit === "%" ? "" : f.unit), element("td", {}, f.known), element("td", {}, f.description));
      body.append(row);
    }

    // A study of one landmark has no course.
    const trajectory = [], elsewhere = document.getElementById("patient-landmarks");
    if (elsewhere) elsewhere.replaceChildren();
    for (const other of elsewhere ? data.others : []) {
      const row = element("tr");
      const here = other.p[i];
      row.append(element("th", { scope: "row" }, named(other.landmark)));
      if (here === null) row.append(element("td", { colspan: String(2 + data.domains.length) }, "not at risk at this landmark"));
      else {
        trajectory.push({ landmark: named(other.landmark), p: here });
        row.append(element("td", { class: "number" }, `${(100 * here).toFixed(1)} %`), element("td", { class: "number" }, signed(other.base[i])));
        for (const domain of data.domains) row.append(element("td", { class: "number" }, other.domains[domain] ? signed(other.domains[domain][i]) : "absent"));
      }
      elsewhere.append(row);
    }
    if (elsewhere) {
      const course = structuredClone(pcr.specs.trajectory);
      about(course);
      await pcr.draw("trajectory", course, { trajectory });
    }
    pcr.landmark.shown(id, chosen);
  };
  // What the list of patients and the comparison need; `shown` is told of every patient who is drawn.
  pcr.landmark = { data, contribution, text, named, signed, element, current: () => current, show: showPatient, shown: () => {} };
  const start = async () => {
    await drawFeature();
    if (search) {
      const list = document.getElementById("patient-ids");
      for (const id of data.ids) list.append(element("option", { value: id }));
      document.getElementById("patient-form").addEventListener("submit", (event) => {
        event.preventDefault();
        showPatient(search.value.trim());
      });
      await showPatient(data.ids[0], false);
    }
    document.documentElement.dataset.ready = "yes";
  };
  pcr.landmark.ready = start();
})();
