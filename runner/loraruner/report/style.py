"""The style sheet of ``report.html``."""

STYLE = """
:root {
  --paper: #fdfcfa; --ink: #24221e; --soft: #6d685f; --line: #e4dfd6; --wash: #f5f2ec;
  --accent: #0f6b62; --raw: #9fc3be; --second: #a5541b; --mark: #fbdcb4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #191a1b; --ink: #e7e5e1; --soft: #a19c93; --line: #36363a; --wash: #222426;
    --accent: #5cc4b7; --raw: #3f6f6a; --second: #e39a5f; --mark: #6b4313;
  }
}
@media print {
  :root {
    --paper: #fff; --ink: #000; --soft: #555; --line: #ccc; --wash: #fff;
    --accent: #0f6b62; --raw: #9fc3be; --second: #a5541b; --mark: #fbdcb4;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 2.1rem; line-height: 1.15; margin: 0 0 .75rem; letter-spacing: -.02em; font-weight: 650; }
h2 { font-size: 1.25rem; margin: 0 0 .75rem; letter-spacing: -.01em; font-weight: 650; }
h3 { font-size: .95rem; margin: 1.5rem 0 .4rem; font-weight: 600; }
p { margin: 0 0 1rem; max-width: 42rem; }
section { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1.5rem; }
.note { color: var(--soft); font-size: .9rem; margin-top: .75rem; }
dl { margin: 0; }
dd { margin: 0; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin-bottom: 1rem; }
.facts dt { color: var(--soft); }
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1px; margin-top: 2rem;
  border: 1px solid var(--line); border-radius: 10px; overflow: hidden; background: var(--wash);
}
.tiles div { padding: .8rem 1rem; background: var(--wash); box-shadow: 0 0 0 1px var(--line); }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .95rem; font-variant-numeric: tabular-nums; }
th, td {
  padding: .4rem 1.5rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
}
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
pre {
  margin: 0; padding: .9rem 1rem; overflow-x: auto; background: var(--wash); border: 1px solid var(--line);
  border-radius: 8px; font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
}
figure { margin: 0; }
.trials { display: grid; gap: 1.75rem 1.5rem; }
.pictures { grid-template-columns: repeat(auto-fill, minmax(min(100%, 18.5rem), 1fr)); }
.pictures figcaption { margin-top: .4rem; font-size: .95rem; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; }
img { display: block; width: 100%; height: auto; border-radius: 6px; background: var(--wash); }
img.small { image-rendering: pixelated; }
.when { font-size: .8rem; color: var(--soft); }
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
.clips td { min-width: 10rem; }
.clips small { display: block; color: var(--soft); }
.charts {
  display: grid; gap: 1.75rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr));
}
.chart figcaption { font-size: .9rem; margin-bottom: .3rem; }
svg { display: block; width: 100%; height: auto; max-width: 36rem; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
svg .axis { fill: var(--ink); }
.grid { stroke: var(--line); stroke-width: 1; }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
polyline.trend { stroke: var(--accent); }
polyline.second { stroke: var(--second); stroke-dasharray: 5 4; }
line.published { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 2 3; }
svg .raw { fill: var(--raw); }
svg .trend.dots { fill: var(--accent); }
svg .second.dots { fill: var(--second); }
.key { margin-left: .9rem; color: var(--soft); white-space: nowrap; }
.key::before {
  content: ""; display: inline-block; width: .6rem; height: .6rem; border-radius: 50%; margin-right: .35rem;
}
.key.trend::before { background: var(--accent); }
.key.raw::before { background: var(--raw); }
.key.second::before { background: var(--second); }
.key.published::before { width: 0; border-radius: 0; border-left: 2px dotted var(--ink); height: .8rem; }
@media (max-width: 34rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.6rem; }
  section { margin-top: 2.25rem; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .tiles dd { font-size: 1rem; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: .5rem; }
  .texts .pair { grid-template-columns: 1fr; }
  .clips thead { display: none; }
  .clips, .clips tbody, .clips tr, .clips th, .clips td { display: block; }
  .clips tr { border-bottom: 1px solid var(--line); padding: .75rem 0; }
  .clips th, .clips td { border: 0; padding: .15rem 0 .35rem; }
  .clips td::before { content: attr(data-label); display: block; color: var(--soft); font-size: .8rem; }
}
@media print {
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  table, .tiles dd { font-size: 10pt; }
  th, td { padding-right: .8rem; }
  .charts { grid-template-columns: 1fr 1fr; gap: 1rem; }
  h2, h3 { break-after: avoid; }
  figure, article, tr, .tiles { break-inside: avoid; }
  pre { white-space: pre-wrap; }
  .scroll { overflow: visible; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
