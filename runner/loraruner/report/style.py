"""The style sheet of ``report.html``."""

STYLE = """
:root {
  --paper: #fdfcfa; --ink: #24221e; --soft: #6a655c; --line: #e2dcd2; --wash: #f5f2ec;
  --accent: #0f6b62; --raw: #9fc3be; --second: #a5541b; --mark: #fbdcb4; --warn: #b3261e; --alarm: #fcefec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #17181a; --ink: #e9e7e3; --soft: #a8a39a; --line: #38393d; --wash: #212326;
    --accent: #5cc4b7; --raw: #3f6f6a; --second: #e39a5f; --mark: #6b4313; --warn: #f19a92; --alarm: #33201f;
  }
}
@media print {
  :root {
    --paper: #fff; --ink: #000; --soft: #555; --line: #ccc; --wash: #f6f5f2;
    --accent: #0f6b62; --raw: #9fc3be; --second: #a5541b; --mark: #fbdcb4; --warn: #b3261e; --alarm: #fcefec;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 68rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; overflow-wrap: anywhere; }
h1 { font-size: 2.5rem; line-height: 1.15; margin: 0; letter-spacing: -.02em; font-weight: 680; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 1rem; letter-spacing: -.01em; font-weight: 650; }
h3 { font-size: 1rem; margin: 2rem 0 .75rem; font-weight: 600; }
p { margin: 0 0 1rem; max-width: 44rem; text-wrap: pretty; }
section { margin-top: 3.5rem; border-top: 1px solid var(--line); padding-top: 1.75rem; }
dl, dd, ul, figure, blockquote { margin: 0; padding: 0; }
ul { list-style: none; }
small { font-size: .85rem; }
.note { color: var(--soft); font-size: .9rem; margin: .75rem 0 0; }
.eyebrow {
  margin: 0 0 .5rem; color: var(--accent); font-size: .8rem; font-weight: 650; letter-spacing: .08em;
  text-transform: uppercase;
}
.version { font-size: 1.25rem; font-weight: 500; letter-spacing: 0; color: var(--soft); white-space: nowrap; }
.lead { margin: .75rem 0 0; font-size: 1.2rem; line-height: 1.45; }
.terms {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 14rem), 1fr)); gap: .75rem 2rem;
  margin-top: 1.75rem; padding: .9rem 1.25rem; border-left: 4px solid var(--accent); background: var(--wash);
  border-radius: 0 8px 8px 0;
}
.terms dt { color: var(--soft); font-size: .85rem; }
.terms dd { font-weight: 600; }
.summary {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 2.5rem;
  margin-top: 2.5rem;
}
.summary section { margin: 0; border: 0; padding: 0; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.5rem; }
.facts dt { color: var(--soft); }
.tiles, .counts { display: grid; gap: .6rem; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); }
.counts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); margin-bottom: 1.5rem; }
.tiles div, .counts div { padding: .7rem 1rem; background: var(--wash); border-radius: 8px; }
.tiles dt, .counts dt { color: var(--soft); font-size: .85rem; }
.tiles dd, .counts dd { font-size: 1.15rem; font-weight: 620; font-variant-numeric: tabular-nums; line-height: 1.35; }
.counts small { color: var(--soft); font-weight: 400; }
.warnings section {
  margin-top: 2.5rem; padding: 1.25rem 1.25rem 1rem; background: var(--alarm); border: 0;
  border-left: 4px solid var(--warn); border-radius: 0 8px 8px 0;
}
.warnings h2 { margin-bottom: .5rem; font-size: 1.1rem; }
.warnings li { margin-bottom: .35rem; }
.warnings b { color: var(--warn); }
.scroll { overflow-x: auto; }
td small { display: block; color: var(--soft); line-height: 1.4; }
table { border-collapse: collapse; font-size: .95rem; font-variant-numeric: tabular-nums; }
th, td {
  padding: .45rem 2rem .45rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
}
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
.number { text-align: right; white-space: nowrap; }
thead th { overflow-wrap: normal; }
pre {
  margin: 0; padding: .9rem 1.1rem; overflow-x: auto; background: var(--wash); border-radius: 8px;
  font: .85rem/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
}
pre.text { white-space: pre-wrap; }
.recipe h3 { margin: 1.5rem 0 .5rem; }
.trials { display: grid; gap: 2rem 1.75rem; }
.pictures { grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.pictures figcaption { margin-top: .5rem; font-size: .95rem; line-height: 1.4; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; }
img { display: block; width: 100%; height: auto; border-radius: 6px; background: var(--wash); }
img.small { image-rendering: pixelated; }
.when { display: block; margin-top: .25rem; font-size: .8rem; color: var(--soft); }
.when.after { color: var(--accent); font-weight: 600; }
article h3 { margin: 0 0 .5rem; }
.answer { padding: .6rem .9rem; background: var(--wash); border-radius: 8px; }
.answer p { margin: .1rem 0 0; white-space: pre-wrap; }
mark {
  background: var(--mark); color: inherit; padding: 0 .15em; border-radius: 3px;
  text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: 2px;
}
del { color: var(--soft); }
.clips { width: 100%; line-height: 1.5; }
.clips th[scope] { font-size: .85rem; font-weight: 400; white-space: normal; min-width: 6rem; }
.clips td { min-width: 10rem; padding-right: 1.5rem; }
.thumbnails { display: grid; gap: 1.1rem .8rem; grid-template-columns: repeat(auto-fill, minmax(6.25rem, 1fr)); }
.thumbnails img, .skipped img { aspect-ratio: 1; object-fit: contain; }
.thumbnails figcaption {
  margin-top: .35rem; font-size: .8rem; line-height: 1.35; color: var(--soft); overflow: hidden;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3;
}
.quotes { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
blockquote { padding: .8rem 1rem; background: var(--wash); border-radius: 8px; }
blockquote p { margin: 0 0 .4rem; white-space: pre-wrap; }
.who { color: var(--accent); font-size: .85rem; font-weight: 600; margin-right: .25rem; }
cite { display: block; color: var(--soft); font-size: .8rem; font-style: normal; }
.skipped { display: grid; gap: .6rem 1.75rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
.skipped li { display: grid; grid-template-columns: auto 1fr; gap: .9rem; align-items: center; line-height: 1.4; }
.skipped .seen { width: 3.5rem; height: 3.5rem; border: 1px dashed var(--line); border-radius: 6px; }
.skipped .seen:has(img) { border: 0; }
.skipped b { display: block; font-size: .9rem; font-weight: 600; }
.skipped span { color: var(--soft); font-size: .9rem; }
.charts {
  display: grid; gap: 2.25rem 2.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr));
}
.chart figcaption { font-size: .9rem; margin-bottom: .6rem; }
.chart b { font-size: 1rem; font-weight: 600; }
svg { display: block; width: 100%; height: auto; max-width: 36rem; }
svg text { font-size: 12px; font-variant-numeric: tabular-nums; }
.key, .unit { margin-left: 1rem; color: var(--soft); white-space: nowrap; }
.key::before {
  content: ""; display: inline-block; width: .6rem; height: .6rem; border-radius: 50%; margin-right: .4rem;
}
.key.trend::before { background: var(--accent); }
.key.raw::before { background: var(--raw); }
.key.second::before { background: var(--second); }
.key.chosen::before, .key.trouble::before {
  width: 0; height: .8rem; border-radius: 0; border-left: 2px dotted var(--ink);
}
.key.trouble::before { border-left: 2px solid var(--warn); }
summary { cursor: pointer; color: var(--accent); }
details pre { margin-top: .75rem; }
@media (max-width: 34rem) {
  main { padding: 1.75rem 1rem 3rem; }
  h1 { font-size: 1.9rem; }
  .version { font-size: 1.05rem; }
  .lead { font-size: 1.1rem; }
  section { margin-top: 2.5rem; padding-top: 1.5rem; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .tiles dd { font-size: 1.05rem; }
  .tiles div, .counts div { padding: .6rem .8rem; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: .6rem; }
  .texts .pair { grid-template-columns: 1fr; }
  th, td { padding-right: 1rem; }
  td:first-child { min-width: 9rem; }
  th, th.number { white-space: normal; }
  svg text { font-size: 14px; }
  .clips thead { display: none; }
  .clips, .clips tbody, .clips tr, .clips th, .clips td { display: block; }
  .clips tr { border-bottom: 1px solid var(--line); padding: .75rem 0; }
  .clips th, .clips td { border: 0; padding: .15rem 0 .35rem; }
  .clips td::before { content: attr(data-label); display: block; color: var(--soft); font-size: .8rem; }
}
@media print {
  @page { margin: 15mm; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 22pt; }
  table, .tiles dd, .counts dd { font-size: 10pt; }
  section { margin-top: 1.75rem; padding-top: 1.1rem; }
  th, td { padding-right: .8rem; }
  .summary { grid-template-columns: 1fr 1fr; gap: 1.5rem; margin-top: 1.5rem; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .counts, .terms { grid-template-columns: 1fr 1fr 1fr; }
  .charts, .quotes, .skipped { grid-template-columns: 1fr 1fr; gap: 1rem; }
  .pictures { grid-template-columns: 1fr 1fr 1fr; gap: 1rem; }
  .thumbnails { grid-template-columns: repeat(8, 1fr); gap: .6rem; }
  h2, h3, h2 + p, figcaption { break-after: avoid; }
  figure, article, tr, li, blockquote, .tiles, .counts, .terms, .summary, .recipe, .warnings { break-inside: avoid; }
  pre { white-space: pre-wrap; }
  .scroll { overflow: visible; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
