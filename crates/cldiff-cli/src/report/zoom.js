// Families in tables collapse, and samples show large beside the real images. Nothing is fetched.
(() => {
  for (const heading of document.querySelectorAll("tr.family")) {
    const cell = heading.cells[0];
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-expanded", "true");
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(open));
      for (const row of heading.parentElement.rows) if (row !== heading) row.hidden = !open;
    });
  }
  const dialog = document.querySelector("dialog.zoom");
  if (!dialog?.showModal) return;
  const element = (name, className, ...content) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...content);
    return made;
  };
  const figure = (caption, picture) => element("figure", "", element("figcaption", "", caption), picture);
  const neighbours = (image) => [...image.closest(".columns").querySelectorAll("img.zooms")];
  const show = (image) => {
    const all = neighbours(image);
    const step = (by) => {
      const next = all[all.indexOf(image) + by];
      if (next) show(next);
    };
    const to = (text, label, action) => {
      const button = element("button", "", text);
      button.type = "button";
      button.setAttribute("aria-label", label);
      button.addEventListener("click", action);
      return button;
    };
    const buttons = element("span", "",
      to("←", "Earlier task", () => step(-1)), " ", to("→", "Later task", () => step(1)), " ",
      to("Close", "Close", () => dialog.close()));
    const pictures = element("div", "pair");
    const real = image.closest(".columns").querySelector(".real-again");
    if (real) pictures.append(figure("real images", real.cloneNode()));
    const copy = element("img", "");
    copy.src = image.src;
    copy.alt = image.alt;
    pictures.append(figure(image.closest("figure").querySelector("figcaption").textContent, copy));
    dialog.replaceChildren(element("header", "", element("strong", "", image.alt), buttons), pictures);
    dialog.onkeydown = (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) step(by);
    };
    if (!dialog.open) dialog.showModal();
    buttons.lastElementChild.focus();
  };
  for (const image of document.querySelectorAll("img.zooms")) {
    const button = element("button", "enlarge");
    button.type = "button";
    button.title = "Enlarge beside the real images";
    button.setAttribute("aria-label", "Enlarge: " + image.alt);
    image.replaceWith(button);
    button.append(image);
    button.addEventListener("click", () => show(image));
  }
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
})();
