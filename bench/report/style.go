package report

// style is the page's look. The colors are Okabe and Ito's, which people with
// any kind of color blindness can tell apart; dark screens get lighter ones.
// Every chart also tells its curves apart by dashes or by position.
const style = `
:root { --bg: #fff; --fg: #1b1f24; --muted: #5c6670; --rule: #d9dee3; --faint: #eceff2; --card: #f6f8fa;
  --a: #0072b2; --b: #d55e00; --c: #008f68; --d: #b0558b; --g: #7a838c; --ok: #0b6b3a; --bad: #b3261e; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #14171a; --fg: #e4e7ea; --muted: #9aa4ad; --rule: #343a41; --faint: #23282d; --card: #1c2024;
    --a: #56b4e9; --b: #f0904a; --c: #35c498; --d: #e29cc6; --g: #8a949d; --ok: #5fce93; --bad: #ff8a80; --warn: #e8b455; }
}
@media print {
  :root { --bg: #fff; --fg: #000; --muted: #444; --rule: #bbb; --faint: #ddd; --card: #fff;
    --a: #0072b2; --b: #d55e00; --c: #008f68; --d: #b0558b; --g: #666; --ok: #0b6b3a; --bad: #b3261e; --warn: #8a5a00; }
  body { font-size: 9pt; } main { max-width: none; padding: 0; }
  figure, tr, .target { break-inside: avoid; } h2, h3, figcaption { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans", sans-serif; }
main { max-width: 1140px; margin: 0 auto; padding: 32px 24px 64px; }
code { font: 0.92em ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
header .kind { margin: 0; color: var(--muted); font-size: 13px; letter-spacing: .04em; text-transform: uppercase; }
h1 { margin: 2px 0; font-size: 28px; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
.sub { margin: 0 0 16px; color: var(--muted); }
h2 { margin: 0 0 4px; font-size: 18px; font-weight: 650; }
h3 { margin: 20px 0 6px; font-size: 14px; font-weight: 650; }
section { margin-top: 40px; }
section.summary { margin-top: 24px; }
.note, .none { margin: 0 0 12px; max-width: 82ch; color: var(--muted); font-size: 13.5px; }
.state { display: inline-block; padding: 6px 12px; border: 1px solid var(--rule); border-left: 5px solid var(--g); border-radius: 4px; background: var(--card); }
.state.pass { border-left-color: var(--ok); } .state.pass b { color: var(--ok); }
.state.fail { border-left-color: var(--bad); } .state.fail b { color: var(--bad); }
.state.invalid { border-left-color: var(--warn); } .state.invalid b { color: var(--warn); }
.verdict { margin: 10px 0 0; padding: 0; list-style: none; } .verdict li { margin: 2px 0; }
.verdict span { display: inline-block; width: 1.2em; font-weight: 700; } .ok span { color: var(--ok); } .missed span { color: var(--bad); }
.target { padding: 14px 0 16px; border-top: 1px solid var(--rule); } .target:last-child { border-bottom: 1px solid var(--rule); }
.target h2 { font-size: 15px; overflow-wrap: anywhere; } .spawn { color: var(--muted); }
.tiles { display: flex; flex-wrap: wrap; gap: 10px 36px; margin: 8px 0 0; }
.tiles div { min-width: 84px; } .tiles dt { color: var(--muted); font-size: 12.5px; } .tiles dd { margin: 0; font-size: 23px; line-height: 1.25; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bad, .fault { color: var(--bad); } .fault { margin: 10px 0 0; }
figure { margin: 14px 0 22px; } figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 20px; margin-bottom: 4px; font-size: 13.5px; }
figcaption b { font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; align-items: center; gap: 0 16px; color: var(--muted); font-size: 12.5px; } section > .legend { margin-top: 4px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 0 24px; } .pair > *, .triple > * { min-width: 0; }
.triple { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); gap: 0 24px; }
.sw { display: inline-block; width: 18px; height: 0; margin-right: 6px; border-top: 3px solid currentColor; vertical-align: middle; } .dash .sw { border-top-style: dashed; border-top-width: 2px; }
.a .sw { color: var(--a); } .b .sw { color: var(--b); } .c .sw { color: var(--c); } .d .sw { color: var(--d); } .g .sw { color: var(--g); }
svg { display: block; width: 100%; height: auto; overflow: visible; font: 11.5px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; }
@media (max-width: 760px) { main { padding: 20px 14px 40px; } figure { overflow-x: auto; } svg.wide { min-width: 760px; } h1 { font-size: 23px; } }
svg text { fill: var(--muted); } svg .name { fill: var(--fg); } svg .unit { font-style: italic; }
svg path { fill: none; } .grid { stroke: var(--rule); stroke-width: 1; } .faint { stroke: var(--faint); } .axis { stroke: var(--g); stroke-width: 1; } .one { stroke: var(--fg); stroke-width: 1.2; }
.cv { stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; } .cv.dash { stroke-width: 1.5; stroke-dasharray: 4 3.5; stroke-linecap: butt; } .cv.stick { stroke-width: 2; stroke-linecap: butt; }
path.a, .heat.a path { stroke: var(--a); } path.b, .heat.b path { stroke: var(--b); } path.c { stroke: var(--c); } path.d { stroke: var(--d); } path.g { stroke: var(--g); }
rect.a, circle.a { fill: var(--a); } rect.b, circle.b { fill: var(--b); } rect.g, circle.g { fill: var(--g); }
svg text.a { fill: var(--a); } svg text.b { fill: var(--b); } svg text.g { fill: var(--muted); }
.band { fill-opacity: .09; } .bar { fill-opacity: .8; } .pale { fill-opacity: .38; } .whisker { stroke-width: 1.2; opacity: .75; } .median { stroke: var(--bg); stroke-width: 1.5; }
.ci { stroke-width: 3; opacity: .6; } .cap { stroke-width: 2; } .dot { stroke: var(--bg); stroke-width: 1.5; }
.heat path { stroke-width: 1; shape-rendering: crispEdges; }
.h0 { opacity: .14; } .h1 { opacity: .26; } .h2 { opacity: .38; } .h3 { opacity: .52; } .h4 { opacity: .67; } .h5 { opacity: .83; } .h6 { opacity: 1; }
.ramp { display: inline-flex; margin: 0 6px; } .ramp i { width: 16px; height: 11px; background: var(--g); } .a .ramp i { background: var(--a); } .b .ramp i { background: var(--b); } .c .ramp i { background: var(--c); } .d .ramp i { background: var(--d); }
.legend.heat { gap: 0; }
.scroll { overflow-x: auto; margin: 10px 0 18px; } table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--faint); white-space: nowrap; } th { color: var(--muted); font-weight: 550; border-bottom-color: var(--rule); }
.l { text-align: left; } td.l:nth-child(n+3) { white-space: normal; min-width: 8em; overflow-wrap: anywhere; } th:first-child, td:first-child { padding-left: 0; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 0; font-size: 13.5px; } .facts dt { color: var(--muted); } .facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
`
