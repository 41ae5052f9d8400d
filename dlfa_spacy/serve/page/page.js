// The page: forms, and what the server answers. Everything that comes from a text or a pipeline
// becomes text nodes, never HTML.

const COMPONENTS = {
  ner: "Names", tagger: "Parts of speech", morphologizer: "Parts of speech", senter: "Sentences",
  textcat: "Topics", textcat_multilabel: "Topics", parser: "Grammar", spancat: "Phrases",
};
const LABELS = {
  PER: "person", PERSON: "person", ORG: "organization", LOC: "place", GPE: "place", MISC: "other name",
};
const PAIR_LABELS = {
  entailment: "It follows", neutral: "It may or may not be", contradiction: "It contradicts",
  paraphrase: "The same", not_paraphrase: "Not the same",
};
// Universal part of speech -> its word, and the group whose color it has.
const POS = {
  NOUN: ["noun", "thing"], PROPN: ["name", "thing"], PRON: ["pronoun", "thing"],
  VERB: ["verb", "does"], AUX: ["auxiliary", "does"],
  ADJ: ["adjective", "how"], ADV: ["adverb", "how"], NUM: ["number", "how"],
  ADP: ["preposition", "small"], DET: ["determiner", "small"], CCONJ: ["conjunction", "small"],
  SCONJ: ["conjunction", "small"], PART: ["particle", "small"], INTJ: ["interjection", "small"],
  PUNCT: ["punctuation", "rest"], SYM: ["symbol", "rest"], X: ["other", "rest"],
};
const FIRST_WORDS = 40;

const $ = (id) => document.getElementById(id);
let info, examples, running;

// An element: its attributes, its children; null and false are none.
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("--") || name === "width" || name === "background") {
      element.style.setProperty(name, value);
    } else if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => (child ?? false) !== false));
  return element;
}

const percent = (share) => `${Math.round(100 * share)} %`;
const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
const listed = (items) => items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
const isEmpty = (answer) => !answer.tokens.length;

async function start() {
  try {
    [info, examples] = await Promise.all(["api/info", "examples.json"].map(get));
  } catch (error) {
    return fail(error);
  }
  const forText = info.pipelines.some((one) => one.entities.length || one.pos || one.topics.length);
  const forPairs = info.pipelines.some((one) => one.pair_labels.length);
  describe();
  if (forText) setUp("text", examples.texts, ["text"], info.pipelines);
  if (forPairs) setUp("pair", examples.pairs, ["first", "second"], info.pipelines.filter((one) => one.pair_labels.length));
  $("status").textContent = "";
  const first = forText ? "text" : forPairs ? "pair" : null;
  if (first) $(`${first}-examples`).firstElementChild.click();
  else $("status").textContent = "This pipeline has nothing that this page can show.";
}

function describe() {
  const has = (test) => info.pipelines.some(test);
  const seen = [
    has((one) => one.entities.length) && "which names are in it",
    has((one) => one.pos) && "what kind of word each word is",
    has((one) => one.topics.length) && "what it is about",
  ].filter(Boolean);
  if (seen.length) $("lead").textContent = `Paste a few sentences in any language, and see ${listed(seen)}.`;
  else $("lead").textContent = "Write two texts in any language, and see whether they agree.";
  $("about").replaceChildren(...info.pipelines.flatMap((one, number) => [
    number ? h("br") : "", "Pipeline: ", h("code", {}, one.name), one.description ? ` · ${one.description}` : "",
  ]));
}

// A form: its fields, its examples, and what it asks which pipelines.
function setUp(kind, samples, fields, pipelines) {
  const form = $(`${kind}-form`);
  const chips = samples.map((sample) => h("button", {
    type: "button", class: "chip", lang: sample.lang, dir: "auto", "aria-pressed": "false",
    onclick: () => {
      fields.forEach((name) => { $(name).value = sample[name]; $(name).lang = sample.lang; });
      press(sample);
      ask(kind, fields, pipelines);
    },
  }, sample.name));
  const press = (sample) => chips.forEach((chip, i) => chip.setAttribute("aria-pressed", samples[i] === sample));
  $(`${kind}-examples`).append(...chips);
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(kind, fields, pipelines); });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
  });
  form.addEventListener("input", () => { press(null); fields.forEach((name) => $(name).removeAttribute("lang")); tellLength(); });
  form.hidden = false;
}

function tellLength() {
  const length = Array.from($("text").value).length;
  $("text-count").textContent = `${length.toLocaleString("en")} of ${info.limits.max_characters.toLocaleString("en")} characters`;
}

async function ask(kind, fields, pipelines) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const given = Object.fromEntries(fields.map((name) => [name, $(name).value]));
  const lang = $(fields[0]).lang || null;
  tellLength();
  if (fields.every((name) => !given[name].trim())) return say("Write or paste something first.");
  say("Reading …");
  $("results").setAttribute("aria-busy", "true");
  const begin = performance.now();
  try {
    const answers = await Promise.all(pipelines.map((one) =>
      post(`api/${kind}`, { ...given, layers: true, pipeline: one.name }, signal)));
    const seconds = (performance.now() - begin) / 1000;
    const text = kind === "pair" ? null : given.text;
    show(kind, given, text, lang, pipelines, answers);
    say(summary(text, pipelines, answers, seconds));
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  } finally {
    if (!signal.aborted) $("results").removeAttribute("aria-busy");
  }
}

async function get(path) {
  return answered(await fetch(path));
}

async function post(path, body, signal) {
  return answered(await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
  }));
}

async function answered(response) {
  const body = await response.json();
  if (!response.ok) throw new Error(body.error ?? response.statusText);
  return body;
}

function say(text, isBad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", isBad);
}

function fail(error) {
  $("results").replaceChildren();
  say(error instanceof TypeError ? "The server does not answer. Is it still running?" : error.message, true);
}

function summary(text, pipelines, answers, seconds) {
  const time = `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  if (text === null) return `Compared in ${time}.`;
  const characters = Array.from(text);
  const isWord = ({ start, end }) => /[\p{L}\p{N}]/u.test(characters.slice(start, end).join(""));
  const words = count(answers[0].tokens.filter(isWord).length, "word");
  if (answers.length === 1) {
    const names = pipelines[0].entities.length ? `${count(answers[0].entities.length, "name")} in ` : "";
    return `${names}${words}, read in ${time}.`;
  }
  const key = (span) => `${span.start} ${span.end} ${span.label}`;
  const first = new Set(answers[0].entities.map(key));
  const second = new Set(answers[1].entities.map(key));
  const both = [...first].filter((name) => second.has(name)).length;
  const all = new Set([...first, ...second]).size;
  return `${words}, read by both in ${time}. They agree on ${both} of ${count(all, "name")}.`;
}

// Results

function show(kind, given, text, lang, pipelines, answers) {
  const columns = pipelines.map((one, i) => {
    const cards = kind === "pair" ? pairCards(one, answers[i]) : textCards(one, answers[i], text, lang);
    cards.push(jsonCard(kind, given, one, answers[i]));
    return h("section", { class: "column", "aria-label": one.name },
      pipelines.length > 1 && h("h2", {}, one.name),
      h("div", { class: pipelines.length > 1 ? "cards" : "cards single" }, cards));
  });
  const several = pipelines.length > 1 ? "pipelines several" : "pipelines";
  $("results").replaceChildren(h("div", { class: several }, columns));
}

function textCards(pipeline, answer, text, lang) {
  if (isEmpty(answer)) return [card("Nothing to read", "wide", h("p", {}, "There are no words in this text."))];
  const characters = Array.from(text);
  const cut = (span) => characters.slice(span.start, span.end).join("");
  const words = answer.tokens.map(cut);
  const known = answer.language ?? lang;
  return [
    pipeline.entities.length && namesCard(pipeline, answer, characters, cut, known),
    pipeline.pos && posCard(answer, words, known, pipeline.topics.length ? "" : "wide"),
    pipeline.topics.length && card("What it is about", pipeline.pos ? "" : "wide", bars(answer.cats)),
    pipeline.layers.length && layersCard(pipeline, answer, words, known),
  ].filter(Boolean);
}

function pairCards(pipeline, answer) {
  return [
    card("Do they agree?", "wide", bars(answer.cats, PAIR_LABELS)),
    pipeline.layers.length && layersCard(pipeline, answer, null, null),
  ].filter(Boolean);
}

function card(title, kind, ...children) {
  return h("section", { class: `card ${kind}` }, h("h2", {}, title), children);
}

function namesCard(pipeline, answer, characters, cut, lang) {
  const parts = [];
  let end = 0;
  for (const span of [...answer.entities].sort((a, b) => a.start - b.start)) {
    parts.push(characters.slice(end, span.start).join(""));
    const sure = span.confidence === undefined ? "" : ` ${percent(span.confidence)}`;
    parts.push(h("mark", { background: pipeline.colors[span.label] }, cut(span), "\u00a0",
      h("span", { class: "label" }, h("bdi", { dir: "ltr" }, `${span.label}${sure}`))));
    end = span.end;
  }
  parts.push(characters.slice(end).join(""));
  const labels = [...pipeline.entities].sort();
  return card("Names", "wide",
    answer.language && h("p", { class: "muted" }, `Language: ${languageName(answer)}`),
    h("p", { class: "text", dir: "auto", lang }, parts),
    h("ul", { class: "legend", "aria-label": "Colors" }, labels.map((label) => h("li", {},
      h("span", { class: "swatch", background: pipeline.colors[label] }),
      LABELS[label] ? `${label} ${LABELS[label]}` : label))),
    !answer.entities.length && h("p", { class: "muted" }, "No names found."));
}

function languageName(answer) {
  const name = new Intl.DisplayNames(["en"], { type: "language" }).of(answer.language);
  return answer.language_confidence ? `${name}, ${percent(answer.language_confidence)} sure` : name;
}

function posCard(answer, words, lang, kind) {
  return card("Parts of speech", kind,
    h("ul", { class: "words", dir: "auto", lang }, answer.tokens.map((token, i) => {
      const [name, group] = POS[token.pos] ?? [token.pos ?? "", "rest"];
      const sure = token.confidence === undefined ? "" : `, ${percent(token.confidence)} sure`;
      return words[i].trim() && h("li", { class: `word ${group}`, title: `${token.pos}${sure}` },
        h("span", { class: "form" }, words[i]), h("span", { class: "tag", dir: "ltr", lang: "en" }, name));
    }).filter(Boolean)));
}

function bars(cats, names = {}) {
  const sorted = Object.entries(cats ?? {}).sort((a, b) => b[1] - a[1]);
  return h("ul", { class: "bars" }, sorted.map(([label, share], i) => h("li", {},
    h("span", { class: i ? "" : "top" }, names[label] ?? label),
    h("span", { class: "track" }, h("span", { class: "fill", width: `${100 * share}%` })),
    h("span", { class: i ? "number" : "number top" }, percent(share)))));
}

// Layers

function layersCard(pipeline, answer, words, lang) {
  const depth = Math.max(...pipeline.layers.map((one) => one.num_layers));
  const numbers = Array.from({ length: depth + 1 }, (_, layer) => layer);
  const byComponent = Object.fromEntries((answer.layers ?? []).map((one) => [one.component, one.tokens]));
  const rows = pipeline.layers.map((one) => {
    const mean = byComponent[one.component] ? meanOf(byComponent[one.component]) : one.shared;
    return h("tr", {}, h("th", { scope: "row" }, title(pipeline, one)), numbers.map((layer) =>
      mean ? cell(mean[layer] ?? 0, one.reads.includes(layer)) : mark(one.reads.includes(layer))));
  });
  const differing = pipeline.layers.filter((one) => byComponent[one.component]?.length && words);
  const isBelow = Object.values(byComponent).flat(2).some((weight) => weight < -0.005);
  const overview = h("div", {},
    h("p", { class: "muted" },
      `The network under the pipeline reads a text in ${depth} steps, its layers; 0 are the bare words. `
      + "Each part of the pipeline takes what it needs from some of them. Darker is more; "
      + "● is a layer that is always read in the same way."
      + (isBelow ? " What has a number below 0 is taken away." : "")),
    scrolling("Layers by part of the pipeline", h("table", { class: "heat" },
      h("caption", { class: "unseen" }, "How much of each layer each part of the pipeline reads, in percent"),
      head("", numbers), h("tbody", {}, rows))));
  const details = differing.map((one) => byWord(one, byComponent[one.component], words, lang));
  return card("Which layers it reads", "wide",
    h("div", { class: "sides" }, overview, details));
}

function title(pipeline, one) {
  const isPair = one.component.startsWith("textcat") && !pipeline.topics.length && pipeline.pair_labels.length;
  const name = isPair ? "Comparison" : COMPONENTS[one.component];
  return name ? [name, h("span", { class: "unseen" }, ` (${one.component})`)] : one.component;
}

const meanOf = (rows) => {
  const owned = rows.filter((row) => row.some(Boolean));
  return owned.length ? owned[0].map((_, layer) => owned.reduce((sum, row) => sum + row[layer], 0) / owned.length) : null;
};

function head(first, layers) {
  return h("thead", {}, h("tr", {}, h("th", {}, first), layers.map((layer) => h("th", { scope: "col" }, layer))));
}

function cell(weight, isRead) {
  const share = 100 * Math.min(1, Math.max(0, weight));
  if (!isRead) return h("td", { class: "empty" }, h("span", { class: "unseen" }, "0"));
  const number = Math.round(100 * weight);
  return h("td", { "--share": share.toFixed(1), class: share > 75 ? "high" : share > 51 ? "mid" : "low", title: percent(weight) },
    h("span", { class: number ? "number" : "unseen" }, number));
}

function mark(isRead) {
  return isRead
    ? h("td", { "--share": 60, class: "mid", title: "read" }, "●", h("span", { class: "unseen" }, " read"))
    : h("td", { class: "empty" }, h("span", { class: "unseen" }, "not read"));
}

function byWord(one, tokens, words, lang) {
  const layers = one.reads;
  const row = (i) => h("tr", {}, h("th", { scope: "row", dir: "auto", lang, title: words[i] }, words[i]),
    layers.map((layer) => cell(tokens[i][layer], true)));
  const places = words.map((_, i) => i).filter((i) => words[i].trim());
  const body = h("tbody", {}, places.slice(0, FIRST_WORDS).map(row));
  const rest = places.slice(FIRST_WORDS);
  const more = h("button", { type: "button", class: "more", onclick: () => { body.append(...rest.map(row)); more.remove(); } },
    `The other ${count(rest.length, "word")}`);
  return h("div", {},
    h("h3", {}, `${COMPONENTS[one.component] ?? one.component}, word by word`),
    scrolling(`Layers by word, ${one.component}`, h("table", { class: layers.length < 5 ? "heat words-first narrow" : "heat words-first" },
      h("caption", { class: "unseen" }, "How much of each layer each word reads, in percent"),
      head(h("span", { class: "unseen" }, "Word"), layers.map((layer) => layers.length < 5 ? `layer ${layer}` : layer)), body)),
    rest.length > 0 && more);
}

function scrolling(label, table) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
}

function jsonCard(kind, given, pipeline, answer) {
  const first = info.pipelines[0].name === pipeline.name;
  const body = JSON.stringify(first ? given : { ...given, pipeline: pipeline.name });
  const command = `curl ${location.origin}/api/${kind} -H 'Content-Type: application/json' -d '${body.replaceAll("'", "'\\''")}'`;
  return h("section", { class: "card wide" }, h("details", {},
    h("summary", {}, "The same, for a program"),
    h("pre", { tabindex: 0 }, command),
    h("pre", { tabindex: 0 }, JSON.stringify(answer, null, 1))));
}

start();
