(() => {
  "use strict";
  const specs = JSON.parse(document.getElementById("charts").textContent);

  // The menu's links get their addresses when it opens, so that they work from the keyboard, too.
  const fillMenu = (figure, view) => {
    const menu = figure.querySelector("details");
    menu.querySelector("summary").setAttribute("aria-label", "Save this figure");
    menu.addEventListener("toggle", async () => {
      if (!menu.open) return;
      for (const link of menu.querySelectorAll("a")) {
        link.href = await view.toImageURL(link.download.split(".").pop(), 2);
      }
    });
  };

  const draw = async (id, spec) => {
    const figure = document.getElementById(id);
    const drawn = await window.vegaEmbed(figure, spec, {
      mode: "vega-lite",
      actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
      downloadFileName: id,
      scaleFactor: 2,
    });
    fillMenu(figure, drawn.view);
  };

  const drawAll = async () => {
    for (const [id, spec] of Object.entries(specs)) {
      await draw(id, spec);
    }
    document.documentElement.dataset.drawn = "yes";
  };
  drawAll();

  window.addEventListener("beforeprint", () => {
    for (const hidden of document.querySelectorAll("main > details, main section > details")) hidden.open = true;
  });
})();
