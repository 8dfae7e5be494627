"use strict";
(() => {
  const sheet = JSON.parse(document.getElementById("sheet").textContent);
  const storageKey = "loraruner-review:" + sheet.key;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const cards = all("article.sample");
  const samples = sheet.samples.map((sample, place) => ({
    ...sample,
    card: cards[place],
    areas: all("textarea", cards[place]),
    comments: one(".comment input", cards[place]),
    said: sample.verdict || "",
    first: { verdict: sample.verdict || "", comment: sample.comment || "" },
  }));
  const history = []; // places, in the order in which they were judged
  let unsaved = false;
  let current = -1;
  let filter = "all";

  // ---- what is said of a sample ----

  const tidy = (sample, text) => (sample.line ? text.trim().replace(/[\r\n]+/g, " ") : text);

  // A text field turns every line end into \n: a text that nobody has touched is the one that came.
  const shown = (text) => text.replace(/\r\n?/g, "\n");
  const textsOf = (sample) =>
    sample.texts &&
    sample.texts.map((text, number) => {
      const typed = sample.areas[number].value;
      return typed === shown(text) ? text : tidy(sample, typed);
    });
  const isChanged = (sample) => {
    const now = textsOf(sample);
    return now !== null && now.some((text, number) => text !== sample.texts[number]);
  };
  const isEmpty = (sample) => (textsOf(sample) || []).some((text) => !text.trim());

  function say(sample, verdict) {
    if (verdict === "accept" && isEmpty(sample)) {
      tell("An empty text can't be accepted: write one, or reject the sample.");
      sample.areas.find((area) => !area.value.trim()).focus();
      return false;
    }
    sample.said = verdict;
    if (verdict) history.push(samples.indexOf(sample));
    changed(sample);
    keep();
    return true;
  }

  function undo() {
    const place = history.pop();
    if (place === undefined) return;
    samples[place].said = "";
    changed(samples[place]);
    go(place);
  }

  function changed(sample) {
    unsaved = true;
    tell("");
    draw(sample);
    count();
    keepSoon();
  }

  // ---- drawing ----

  function draw(sample) {
    sample.card.dataset.verdict = sample.said;
    for (const verdict of ["accept", "reject"]) {
      one("button." + verdict, sample.card).setAttribute("aria-pressed", String(sample.said === verdict));
    }
    if (!sample.texts) return;
    const now = textsOf(sample);
    all(".was", sample.card).forEach((line, number) => {
      line.hidden = now[number] === sample.texts[number];
      one("span", line).textContent = sample.texts[number];
      sample.areas[number].setAttribute("aria-invalid", String(!now[number].trim()));
      sample.areas[number].classList.toggle("changed", !line.hidden);
    });
  }

  const kinds = {
    all: () => true,
    open: (sample) => !sample.said,
    found: (sample) => "found" in sample.card.dataset,
    reject: (sample) => sample.said === "reject",
  };

  // A rejected sample no longer counts, and one of the spare ones, which are the last, comes in for it.
  const number = (verdict) => samples.filter((sample) => sample.said === verdict).length;
  const staying = () => sheet.total - sheet.elsewhere[1] - number("reject");
  function shownNow() {
    const least = samples.length - sheet.spare;
    const wanted = Math.ceil(sheet.share * staying() - 1e-6) - sheet.elsewhere[0];
    let rest = samples.length;
    while (rest > least && !samples[rest - 1].said) rest -= 1;
    let stayingHere = samples.slice(0, rest).filter((sample) => sample.said !== "reject").length;
    while (rest < samples.length && stayingHere < wanted) {
      rest += 1;
      stayingHere += 1;
    }
    return samples.slice(0, rest);
  }

  function count() {
    const now = shownNow();
    const judged = now.filter((sample) => sample.said).length;
    const accepted = number("accept") + sheet.elsewhere[0];
    const covered = (100 * accepted) / Math.max(1, staying());
    const share = covered.toFixed(covered < 10 ? 1 : 0).replace(/\.0$/, "");
    const done = judged === now.length ? `All ${judged}` : `${judged} of ${now.length}`;
    one("#count").textContent = `${done} judged · ${accepted} of ${staying()} accepted, ${share} %`;
    one("progress").max = now.length;
    one("progress").value = judged;
    for (const [name, fits] of Object.entries(kinds)) {
      one(`label[for=f-${name}] .number`).textContent = now.filter(fits).length;
    }
    const visible = new Set(now.filter(kinds[filter]));
    for (const sample of samples) sample.card.hidden = !visible.has(sample);
    one(".empty").hidden = visible.size > 0;
    one(".save").dataset.unsaved = String(unsaved);
    one(".save").disabled = !judged;
  }

  function tell(text) {
    const line = one("p[role=alert]");
    line.textContent = text;
    line.hidden = !text;
  }

  // ---- where we are ----

  function go(place) {
    if (!samples[place] || samples[place].card.hidden) return;
    const card = samples[place].card;
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: card.offsetHeight > innerHeight * 0.7 ? "start" : "center" });
  }

  function step(by) {
    let place = current + by;
    while (samples[place] && samples[place].card.hidden) place += by;
    if (samples[place]) go(place);
    else if (samples[current]) go(current);
  }

  // ---- kept over a reload, where the browser lets us ----

  let timer = 0;
  function keepSoon() {
    clearTimeout(timer);
    timer = setTimeout(keep, 250);
  }

  function keep() {
    clearTimeout(timer);
    const kept = {};
    samples.forEach((sample, place) => {
      const state = {};
      if (sample.said !== sample.first.verdict) state.verdict = sample.said;
      if (sample.comments.value !== sample.first.comment) state.comment = sample.comments.value;
      if (isChanged(sample)) state.texts = sample.areas.map((area) => area.value);
      if (Object.keys(state).length) kept[place] = state;
    });
    try {
      localStorage.setItem(storageKey, JSON.stringify({ unsaved, kept }));
    } catch {
      one(".save").title = "This browser keeps nothing over a reload: save before you leave.";
    }
  }

  function restore() {
    let stored = null;
    try {
      stored = JSON.parse(localStorage.getItem(storageKey));
    } catch {
      return;
    }
    if (!stored || typeof stored.kept !== "object") return;
    unsaved = Boolean(stored.unsaved);
    for (const [place, state] of Object.entries(stored.kept || {})) {
      const sample = samples[place];
      if (!sample) continue;
      if (["", "accept", "reject"].includes(state.verdict)) sample.said = state.verdict;
      if (typeof state.comment === "string") sample.comments.value = state.comment;
      if (Array.isArray(state.texts) && sample.texts) {
        sample.areas.forEach((area, number) => (area.value = String(state.texts[number] ?? area.value)));
      }
    }
  }

  // ---- review.csv ----

  // A cell that begins like a formula would be run by a spreadsheet; the reader takes the apostrophe off again.
  const guarded = (cell) => (/^(?:[=+\-@\t\r\n＝＋－＠]|'[=+\-@\t\r\n＝＋－＠'])/.test(cell) ? "'" + cell : cell);
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? '"' + cell.replaceAll('"', '""') + '"' : cell);
  const cellOf = (texts) => (texts.length === 1 ? texts[0] : JSON.stringify(texts));

  function lineOf(sample) {
    const corrected = sample.said === "accept" && isChanged(sample);
    const text = corrected ? cellOf(textsOf(sample)) : "";
    const before = corrected ? cellOf(sample.texts) : "";
    const cells = [sample.id, sample.digest, sample.said, text, before, sample.comments.value.trim()];
    return cells.map((cell) => quoted(guarded(cell))).join(",");
  }

  function save() {
    const empty = samples.find((sample) => sample.said === "accept" && isEmpty(sample));
    if (empty) {
      tell("Not saved: an accepted sample has an empty text. Write one, or reject it.");
      go(samples.indexOf(empty));
      return;
    }
    const lines = samples.filter((sample) => sample.said).map(lineOf);
    const text = "\ufeff" + ["id,digest,verdict,text,before,comment", ...lines].join("\n") + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.download = "review.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    unsaved = false;
    keep();
    count();
    const left = samples.filter((sample) => !sample.said && (isChanged(sample) || sample.comments.value.trim())).length;
    const still = left === 1 ? "1 sample has" : `${left} samples have`;
    tell(left ? `Saved. ${still} a correction or a comment and no verdict yet: not in the file.` : "");
  }

  // ---- events ----

  samples.forEach((sample, place) => {
    sample.areas.forEach((area, number) => {
      if (sample.texts) area.value = sample.texts[number];
      area.addEventListener("input", () => changed(sample));
    });
    sample.comments.value = sample.first.comment;
    sample.comments.addEventListener("input", () => changed(sample));
    sample.card.addEventListener("change", keep);
    sample.card.addEventListener("focusin", () => {
      current = place;
      for (const card of cards) card.classList.toggle("current", card === sample.card);
    });
    for (const verdict of ["accept", "reject"]) {
      one("button." + verdict, sample.card).addEventListener("click", () => {
        say(sample, sample.said === verdict ? "" : verdict);
      });
    }
    const picture = one(".enlarge", sample.card);
    if (picture) picture.addEventListener("click", () => enlarge(one("img", picture), sample.id));
  });

  function enlarge(image, name) {
    const large = one("dialog img");
    large.src = image.src;
    large.alt = name;
    large.className = image.className;
    one("dialog").showModal();
  }
  one("dialog").addEventListener("click", () => one("dialog").close());

  addEventListener(
    "play",
    (event) => all("audio").forEach((player) => player !== event.target && player.pause()),
    true,
  );
  function play(sample) {
    const player = one("audio", sample.card);
    if (player) player.paused ? player.play() : player.pause();
    else one(".enlarge", sample.card)?.click();
  }

  for (const box of all("input[name=filter]")) {
    box.addEventListener("change", () => {
      filter = box.value;
      count();
    });
  }
  one(".save").addEventListener("click", save);
  addEventListener("beforeunload", (event) => {
    keep();
    if (unsaved) event.preventDefault();
  });
  addEventListener("pagehide", keep);

  function judgeAndGoOn(sample, verdict) {
    if (say(sample, verdict)) step(1);
  }

  const actions = {
    j: () => step(1),
    ArrowDown: () => step(1),
    k: () => step(-1),
    ArrowUp: () => step(-1),
    u: undo,
    a: (sample) => judgeAndGoOn(sample, "accept"),
    r: (sample) => judgeAndGoOn(sample, "reject"),
    e: (sample) => sample.areas[0].focus(),
    c: (sample) => sample.comments.focus(),
    p: play,
  };
  const ofSample = "arecp";

  function inField(event, sample) {
    const leaves = event.key === "Escape" || (event.key === "Enter" && (sample?.line || event.target.type === "text"));
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (sample) judgeAndGoOn(sample, "accept");
    } else if (leaves && !event.isComposing) {
      event.preventDefault();
      sample?.card.focus({ preventScroll: true });
    }
  }

  addEventListener("keydown", (event) => {
    const sample = samples[current];
    if (event.target.matches("textarea, input[type=text]")) return inField(event, sample);
    if (event.ctrlKey || event.metaKey || event.altKey || one("dialog").open || !one("#keys").checked) return;
    if (event.target.matches("input, audio, summary") && event.key.startsWith("Arrow")) return;
    const act = actions[event.key];
    if (!act || (ofSample.includes(event.key) && !sample)) return;
    event.preventDefault();
    act(sample);
  });

  // Browsers that can't let a text field grow by itself.
  if (!CSS.supports("field-sizing", "content")) {
    const grow = (area) => {
      area.style.height = "auto";
      area.style.height = `${area.scrollHeight + 2}px`;
    };
    addEventListener("input", (event) => event.target.matches("textarea") && grow(event.target));
    all("textarea").forEach(grow);
  }

  document.documentElement.classList.add("live");
  restore();
  samples.forEach(draw);
  count();
})();
