// Joins pages of the book into the one document that is printed, in the browser, whose parser reads
// them. `only` names the pages; null means all. Returns the titles of all sections, and whether
// there is a font for Chinese.
async ({ title, author, only }) => {
  const body = document.querySelector(".bd-article");

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  async function read(name) {
    const answer = await fetch(`${name}.html`);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  const stem = (url) => url.pathname.split("/").pop().replace(/\.html$/, "");
  const said = (heading) => heading.textContent.replace(/\s+/g, " ").trim();

  // Two characters that look alike are two boxes.
  function hasChinese() {
    const [first, second] = ["动", "量"].map((character) => {
      const canvas = element("canvas", { width: 32, height: 32 });
      const context = canvas.getContext("2d");
      context.font = "24px sans-serif";
      context.fillText(character, 4, 28);
      return canvas.toDataURL();
    });
    return first !== second;
  }

  function withoutChinese(article) {
    for (const quoted of article.querySelectorAll("[lang|=zh]")) quoted.remove();
    const texts = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      texts.currentNode.data = texts.currentNode.data.replace(/[\u2e80-\u9fff\uff00-\uffef]+[.,;]? ?/g, "");
    }
  }

  const index = await read("index");
  const entries = [...index.querySelectorAll("nav.bd-links :is(.caption, a)")].map((entry) => (
    entry.matches(".caption") ? { part: said(entry) }
      : { name: stem(new URL(entry.getAttribute("href"), new URL("index.html", location))) }
  )).filter(({ name }) => !name || !only || only.includes(name));
  const names = entries.flatMap(({ name }) => name ?? []);

  // A link leads to its place in the one document or out of the book; what else it leads to, a file
  // or the search, is not in the PDF.
  function lead(link, name) {
    const url = new URL(link.getAttribute("href"), new URL(`${name}.html`, location));
    if (url.origin !== location.origin) return;
    const anchor = url.hash && `--${decodeURIComponent(url.hash.slice(1))}`;
    if (names.includes(stem(url))) link.setAttribute("href", `#${stem(url)}${anchor}`);
    else link.removeAttribute("href");
  }

  const contents = element("nav", { class: "chapters" }, element("h1", {}, "Contents"));
  body.append(
    element(
      "div", { class: "cover" }, element("img", { src: "../_static/mark.svg", alt: "" }),
      element("p", { class: "title" }, title), element("p", {}, author),
      element("p", {}, said(index.querySelector(".extra_footer"))),
    ),
    contents,
  );
  const heads = element("style", {});
  const chinese = hasChinese();
  for (const { part, name } of entries) {
    if (part) {
      contents.append(element("p", { class: "part" }, part));
      continue;
    }
    const page = name === "index" ? index : await read(name);
    const article = page.querySelector("article.bd-article");
    for (const unseen of article.querySelectorAll("details:not(.solution), form, .headerlink, .only-dark")) unseen.remove();
    for (const solution of article.querySelectorAll("details")) solution.open = true;
    for (const image of article.querySelectorAll("img")) image.loading = "eager";
    for (const link of article.querySelectorAll("a[href]")) lead(link, name);
    for (const anchor of article.querySelectorAll("[id]")) anchor.id = `${name}--${anchor.id}`;
    for (const code of article.querySelectorAll("pre")) {
      if (code.textContent.split("\n").length < 15) code.style.breakInside = "avoid";
    }
    // No page for the last line of a chapter alone.
    const end = [...article.querySelectorAll("section")].pop();
    if (!end.querySelector("figure, pre, table")) end.style.breakInside = "avoid";
    if (!chinese) withoutChinese(article);
    const lines = [...article.querySelectorAll("h1, h2")].map((heading, i) => {
      heading.id = `${name}--heading-${i}`;
      const words = element("span", {}, said(heading));
      return element("li", {}, element("a", { href: `#${heading.id}` }, words, element("span", { class: "page" })));
    });
    const [chapter, ...sections] = lines;
    chapter.append(element("ul", {}, ...sections));
    contents.append(element("ul", {}, chapter));
    // A kind of page for each chapter, whose name runs along its top.
    const kind = `page-${name}`;
    heads.append(`@page ${kind} { @top-left { content: ${JSON.stringify(said(article.querySelector("h1")))} } }`);
    body.append(element("section", { id: name, style: `page: ${kind}` }, ...article.childNodes));
  }
  document.head.append(heads);
  await Promise.all([...document.images].map((image) => image.decode()));
  await document.fonts.ready;
  return { titles: [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map(said), chinese };
}
