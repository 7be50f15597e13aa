// ---- who is shown: a list that sorts and filters, two patients side by side, one page to print
(() => {
  "use strict";
  const page = pcr.landmark;
  const { data, element, named, signed } = page;
  const table = document.getElementById("patient-list");
  if (!table) return;
  const MAX_ROWS = 200;
  const kinds = [...document.querySelectorAll("#patient-filters select[data-kind]")];
  const order = document.getElementById("patient-order");
  const other = document.getElementById("patient-other");
  const keysOf = (kind) => (kind === "outcome" ? data.y.map((y) => (y ? "pCR" : "no pCR")) : data[kind] || []);
  const byKind = Object.fromEntries(kinds.map((select) => [select.dataset.kind, keysOf(select.dataset.kind)]));
  // A branch is virtual for whom the rules did not treat.
  const virtual = (kind, i) => (kind === "branch" && data.arm[i] !== data.adaptive ? " (virtual)" : "");
  const said = (kind, i) => (byKind[kind][i] === null ? "" : named(byKind[kind][i]) + virtual(kind, i));

  for (const select of kinds) {
    const levels = [...new Set(byKind[select.dataset.kind])].filter((level) => level !== null).sort();
    select.closest("label").hidden = levels.length < 2;
    for (const level of levels) select.append(element("option", { value: level }, named(level)));
  }
  const orders = {
    id: (a, b) => a - b,
    high: (a, b) => data.p[b] - data.p[a] || a - b,
    low: (a, b) => data.p[a] - data.p[b] || a - b,
    // The prediction that was furthest from what happened first.
    surprise: (a, b) => Math.abs(data.y[b] - data.p[b]) - Math.abs(data.y[a] - data.p[a]) || a - b,
  };

  const list = () => {
    const rows = data.ids.map((_, i) => i)
      .filter((i) => kinds.every((select) => !select.value || byKind[select.dataset.kind][i] === select.value))
      .sort(orders[order.value]);
    const shown = rows.slice(0, MAX_ROWS);
    table.replaceChildren(...shown.map((i) => {
      const row = element("tr");
      const head = element("th", { scope: "row" });
      const link = element("a", { href: "#patient-facts" }, data.ids[i]);
      link.addEventListener("click", (event) => {
        event.preventDefault();
        page.show(data.ids[i]).then(() => document.getElementById("patient-facts").scrollIntoView());
      });
      head.append(link);
      row.append(head, element("td", { class: "number" }, `${(100 * data.p[i]).toFixed(1)} %`));
      for (const select of kinds) if (!select.closest("label").hidden) row.append(element("td", { class: select.dataset.kind }, said(select.dataset.kind, i)));
      return row;
    }));
    document.getElementById("patient-count").textContent = `${rows.length.toLocaleString("en")} of ${data.ids.length.toLocaleString("en")} patients on this page`
      + (rows.length > shown.length ? `; the first ${shown.length} are listed.` : ".");
  };
  const head = document.getElementById("patient-list-head");
  head.append(element("th", { scope: "col" }, "Patient"), element("th", { scope: "col", class: "number" }, "Predicted"));
  for (const select of kinds) if (!select.closest("label").hidden) head.append(element("th", { scope: "col" }, select.closest("label").firstChild.textContent.trim()));
  for (const select of [...kinds, order]) select.addEventListener("change", list);

  // ---- two patients: what differs most, in values and in contributions
  const compare = () => {
    const second = data.ids.indexOf(other.value.trim()), first = data.ids.indexOf(page.current());
    const place = document.getElementById("patient-compared"), body = document.getElementById("patient-differences");
    place.hidden = second < 0 || first < 0 || first === second;
    document.getElementById("patient-other-status").textContent = other.value.trim() === "" ? ""
      : second < 0 ? `Patient ${other.value.trim()} is not on this page.`
        : first === second ? "That is the patient above." : "";
    if (place.hidden) return;
    const gap = (k) => page.contribution(k, first) - page.contribution(k, second);
    const sorted = data.features.map((_, k) => k).sort((a, b) => Math.abs(gap(b)) - Math.abs(gap(a)) || a - b);
    const log = (p) => Math.log(p / (1 - p));
    document.getElementById("patient-compared-heads").replaceChildren(
      element("th", { scope: "col" }, "Feature"), element("th", { scope: "col", class: "number" }, data.ids[first]),
      element("th", { scope: "col", class: "number" }, data.ids[second]), element("th", { scope: "col", class: "number" }, "Difference"));
    const line = (name, one, two, difference) => {
      const row = element("tr");
      row.append(element("th", { scope: "row" }, name), element("td", { class: "number" }, one), element("td", { class: "number" }, two), element("td", { class: "number" }, difference));
      return row;
    };
    const percent = (i) => `${(100 * data.p[i]).toFixed(1)} %`;
    body.replaceChildren(
      line("Predicted probability", percent(first), percent(second), `${signed(log(data.p[first]) - log(data.p[second]))} log-odds`),
      ...kinds.filter((select) => !select.closest("label").hidden).map((select) => line(select.closest("label").firstChild.textContent.trim(), said(select.dataset.kind, first), said(select.dataset.kind, second), "")),
      ...sorted.slice(0, 15).map((k) => line(data.features[k].label,
        `${page.text(k, first)} (${signed(page.contribution(k, first))})`, `${page.text(k, second)} (${signed(page.contribution(k, second))})`, signed(gap(k)))),
      line(`${Math.max(0, sorted.length - 15)} other features`, "", "", signed(sorted.slice(15).reduce((sum, k) => sum + gap(k), 0))),
      line("Base value of the fit", signed(data.base[first]), signed(data.base[second]), signed(data.base[first] - data.base[second])));
    place.dataset.patients = `${data.ids[first]} ${data.ids[second]}`;
  };
  other.addEventListener("change", compare);

  // ---- the patient stays in the address, on the links to the other pages, too
  const links = [...document.querySelectorAll("header nav a")].filter((link) => /^shap-/.test(link.getAttribute("href")));
  const keep = (id) => {
    const address = `patient=${encodeURIComponent(id)}`;
    if (location.hash !== `#${address}`) history.replaceState(null, "", `#${address}`);
    for (const link of links) link.setAttribute("href", `${link.getAttribute("href").split("#")[0]}#${address}`);
  };
  const asked = () => (/^#patient=/.test(location.hash) ? decodeURIComponent(location.hash.slice("#patient=".length)) : null);
  const follow = async () => {
    const id = asked();
    if (id === null || id === page.current()) return;
    // Who is not on this page may be on the next one.
    keep(id);
    await page.show(id);
    document.getElementById("patient").scrollIntoView();
  };
  page.shown = (id, chosen) => {
    if (chosen) keep(id);
    compare();
  };
  window.addEventListener("hashchange", follow);

  // ---- one page: the shown patient alone
  document.getElementById("patient-print").addEventListener("click", () => {
    document.documentElement.classList.add("one-patient");
    window.print();
  });
  window.addEventListener("afterprint", () => document.documentElement.classList.remove("one-patient"));

  list();
  page.ready.then(follow);
})();
