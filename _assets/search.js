// The search page. The theme's search looks words up in an index of sections, terms and functions,
// which code/tools/search.py made; here what it finds is put in order, and quoted.

const AT_ONCE = 20;
const root = document.documentElement.dataset.content_root;
const asked = {}, told = {};  // texts of pages, and what to do with them when they come
const quotes = new Map();

// First what has just that name. Then: the more of the words a unit has, in its titles rather than in
// its text, and the fewer other units have them, the further up it stands; of equals the earlier one.
Search.find = query => {
  const {alltitles, docnames} = Search._index, units = new Map();
  const [, words, excluded] = Search._parseQuery(query.replaceAll("-", " "));
  const named = (alltitles[[...words].join(" ")] ?? []).map(([unit]) => docnames[unit]);
  let most = 0;
  for (const word of words) {
    const found = Search.performTermsSearch(new Set([word]), excluded);
    const rare = 1 - Math.log(found.length || docnames.length) / Math.log(docnames.length);
    most += rare;
    for (const [unit, , , , score, place] of found) {
      if (!units.has(unit)) units.set(unit, {unit, place, score: 0, covered: 0});
      units.get(unit).score += rare * score;
      units.get(unit).covered += rare;
    }
  }
  const worth = ({unit, score, covered}) => named.includes(unit) ? Infinity : score * covered;
  return [...units.values()].filter(({covered}) => covered >= most / 2)
    .sort((a, b) => worth(b) - worth(a) || a.place - b.place).map(({unit}) => unit);
};

Search.query = query => {
  const found = Search.find(query), [, words] = Search._parseQuery(query);
  // What may be marked: words, and of Chinese, which has no spaces, as much as was asked for.
  const chinese = [...query.match(/\p{Script=Han}+/gu) ?? [], ...words]
    .filter(word => /^\p{Script=Han}/u.test(word));
  const written = RegExp(`(${[...chinese, "(?:(?!\\p{Script=Han})[\\p{L}\\p{N}_-])+"].join("|")})`, "u");
  localStorage.removeItem("sphinx_highlight_terms");  // the text found is shown by its address
  Search.stopPulse();
  Search.title.textContent = "Search results";
  Search.status.setAttribute("role", "status");
  Search.status.textContent = found.length
    ? `${found.length} place${found.length > 1 ? "s" : ""} for “${query}”, the best first.`
    : `Nothing in this book matches “${query}”.`;
  const more = document.createElement("button");
  more.className = "btn btn-sm search-more";
  more.textContent = "Show more";
  more.addEventListener("click", show);
  Search.output.after(more);
  show();

  function show() {
    const next = found.splice(0, AT_ONCE).map(unit => result(unit, words, written));
    Search.output.append(...next);
    if (Search.output.children.length > AT_ONCE) next[0].querySelector("a").focus();
    more.hidden = !found.length;
  }
};

function result(unit, words, written) {
  const [page, place] = unit.split("#");
  const item = document.createElement("li"), link = document.createElement("a");
  const context = document.createElement("p");
  link.href = `${root}${page}.html${place && "#"}${place}`;
  link.textContent = Search._index.titles[Search._index.docnames.indexOf(unit)];
  context.className = "context";
  item.append(link, context);
  inView.observe(context);
  quotes.set(context, async () => quote(context, (await texts(page))[place], words, written));
  return item;
}

// A result is quoted when the reader comes near it: the texts are far more than the index.
const inView = new IntersectionObserver(entries => {
  for (const {isIntersecting, target} of entries) {
    if (!isIntersecting) continue;
    inView.unobserve(target);
    quotes.get(target)();
  }
}, {rootMargin: "200px"});

// A script can be read from disk, where a page may not fetch.
function texts(page) {
  if (!asked[page]) {
    asked[page] = new Promise(resolve => { told[page] = resolve; });
    Search.loadIndex(`${root}_static/search/${page}.js`);
  }
  return asked[page];
}

Search.quote = (page, found) => told[page](found);

// The first of the sentences with most of the words.
function quote(context, sentences, words, written) {
  const stemmer = new Stemmer();
  const isMeant = word => words.has(stemmer.stemWord(word.toLowerCase()));
  const count = sentence => new Set(splitQuery(sentence).filter(isMeant)).size;
  const [best] = sentences.map(s => [count(s), s]).sort(([a], [b]) => b - a);
  for (const part of best ? best[1].split(written) : []) {
    const place = splitQuery(part).some(isMeant)
      ? context.appendChild(document.createElement("mark")) : context;
    place.append(part);
  }
}
