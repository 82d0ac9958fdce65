"""The report's page: one file, readable offline, that loads nothing and runs almost nothing.

Everything that comes from a run is escaped here or in `chart`: a path or a command can hold any
text, and the report is opened by the people the attacker would most like to reach.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING

from veristep.case.chart import LEFT, RIGHT, WIDTH
from veristep.case.wording import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

STYLE = """
:root{--bg:#f6f7f9;--card:#fff;--ink:#171b22;--dim:#5c6675;--line:#dfe3e9;--soft:#eef1f5;
--ok:#137a4b;--ok-bg:#d7f0e2;--bad:#b3261e;--bad-bg:#f9d6d3;--unsure:#8a5a00;--unsure-bg:#fbe9bf;
--none:#6b7482;--c0:#2557d6;--c1:#c2410c;--c2:#0f766e;--c3:#8b2fc9;--c4:#a16207;--c5:#be185d}
@media (prefers-color-scheme:dark){:root{--bg:#0f1217;--card:#171b22;--ink:#e7eaf0;--dim:#98a2b3;
--line:#2a313c;--soft:#1f252e;--ok:#5fd39a;--ok-bg:#123a28;--bad:#ff8f86;--bad-bg:#4a1a17;
--unsure:#f2c25b;--unsure-bg:#42320f;--none:#8791a1;--c0:#7ea6ff;--c1:#ff9a62;--c2:#4fd1c0;
--c3:#c795ff;--c4:#e3c04f;--c5:#ff8ac2}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);line-height:1.5;
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 24px 56px}
h1{font-size:25px;line-height:1.25;margin:2px 0 4px;letter-spacing:-.01em}
h2{font-size:16px;margin:0 0 12px}
h3{font-size:14px;margin:18px 0 2px;display:flex;gap:10px;align-items:baseline;flex-wrap:wrap}
h3 .dim{font-weight:400}
code,.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;
font-size:.92em;overflow-wrap:anywhere}
.brand{color:var(--dim);font-size:13px;letter-spacing:.04em}
.brand b{color:var(--ink)}
.dim{color:var(--dim)}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:18px 20px;
margin-top:16px}
.verdict{border-left:6px solid var(--none);display:flex;gap:28px;flex-wrap:wrap;
align-items:center;justify-content:space-between}
.verdict.ok{border-left-color:var(--ok)}.verdict.bad{border-left-color:var(--bad)}
.verdict.unsure{border-left-color:var(--unsure)}
.verdict .word{font-size:22px;font-weight:650;display:flex;gap:10px;align-items:center}
.verdict p{margin:4px 0 0;max-width:62ch}.verdict>.side{flex:0 1 340px}
.verdict>.said{flex:1 1 420px}
p:last-child{margin-bottom:0}.card>p:first-of-type{margin-top:0}
.word.ok{color:var(--ok)}.word.bad{color:var(--bad)}.word.unsure{color:var(--unsure)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;margin-top:16px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:12px 16px}
.tile b{display:block;font-size:20px;font-weight:650;letter-spacing:-.01em;
font-variant-numeric:tabular-nums}
.tile span{color:var(--dim);font-size:13px}
.tile.bad b{color:var(--bad)}.tile.unsure b{color:var(--unsure)}
.bar{display:flex;height:16px;margin:4px 0 6px;border-radius:7px;overflow:hidden;
border:1px solid var(--line)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--dim);margin:4px 0 8px}
.side .legend{margin:0}
.legend span{display:inline-flex;align-items:center;gap:6px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;color:var(--dim);font-weight:500;font-size:13px}
th,td{padding:7px 14px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.ok{color:var(--ok)}td.bad{color:var(--bad)}td.unsure{color:var(--unsure)}
td.ok,td.bad,td.unsure{font-weight:600;white-space:nowrap}
dl{display:grid;grid-template-columns:max-content 1fr;gap:5px 20px;margin:0}
dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
ul{margin:0;padding-left:18px}li{margin:3px 0}
pre{background:var(--soft);border-radius:8px;padding:12px 14px;overflow-x:auto;margin:10px 0;
font-size:13px;white-space:pre-wrap;overflow-wrap:anywhere}
footer{color:var(--dim);font-size:13px;margin-top:24px}
svg.defs{position:absolute}svg.chart{display:block;width:100%;height:auto}
svg.swatch{flex:none;vertical-align:middle}
.axis{fill:var(--dim);font-size:12px;font-variant-numeric:tabular-nums}
.grid{stroke:var(--line);stroke-width:1}.base{stroke:var(--dim);stroke-width:1;opacity:.55}
.rule{stroke:var(--line)}
.tint-ok{fill:var(--ok-bg)}.tint-bad{fill:var(--bad-bg)}.tint-unsure{fill:var(--unsure-bg)}
.hatch-bad{stroke:var(--bad);stroke-width:.9;opacity:.65}
.hatch-unsure{stroke:var(--unsure);stroke-width:1.2;opacity:.55}.dot-none{fill:var(--none);opacity:.5}
.band{opacity:.5}.band.none{opacity:.45}
.track{stroke:var(--card);stroke-width:1}
.sample{stroke:var(--line)}
.bandname{font-size:12px;font-weight:600;paint-order:stroke;stroke:var(--card);stroke-width:3px;
stroke-linejoin:round}
.bandname.ok{fill:var(--ok)}.bandname.bad{fill:var(--bad)}.bandname.unsure{fill:var(--unsure)}
.bandname.none{fill:var(--none)}
.curve{fill:none;stroke-width:1.7;stroke-linejoin:round}circle.curve{stroke-width:4}
.curve.dense{stroke-width:1;opacity:.85}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}
.c4{stroke:var(--c4)}.c5{stroke:var(--c5)}
.nan{fill:var(--bad);font-size:10px;font-weight:600}
.mark{stroke:var(--ink);stroke-width:1.3;fill:none}.mark rect{stroke:none}
.mark.tick{stroke:var(--dim)}.mark.diamond path{fill:var(--c0);stroke:var(--card)}
.mark.triangle path{fill:var(--unsure);stroke:var(--card)}
.mark.cross{stroke:var(--bad);stroke-width:2.4}
.figure{display:flex;flex-wrap:wrap;gap:12px 28px;align-items:flex-start;margin-top:14px}
.figure dl{flex:1 1 380px}svg.scatter{flex:none;background:var(--soft);border-radius:8px}
.dot{fill:var(--c0);opacity:.75}
.cursor{stroke:var(--ink);stroke-width:1;opacity:0}
.readout{color:var(--dim);font-weight:400;font-size:13px;margin-left:auto;
font-variant-numeric:tabular-nums}
@media print{body{background:#fff}.card,.tile{break-inside:avoid}}
"""

# Without it the charts are all there; with it the pointer reads values off them.
SCRIPT = """
(function(){"use strict";
var left=__LEFT__,right=__RIGHT__,width=__WIDTH__;
var charts=[].slice.call(document.querySelectorAll("svg[data-series]")).map(function(svg){
return{svg:svg,series:JSON.parse(svg.dataset.series),stop:+svg.dataset.stop,
line:svg.querySelector(".cursor"),out:document.getElementById(svg.parentNode.dataset.readout)};});
function near(p,s){var a=0,b=p.length-1;while(b-a>1){var m=(a+b)>>1;if(p[m][0]>s){b=m}else{a=m}}
return Math.abs(p[b][0]-s)<Math.abs(p[a][0]-s)?p[b]:p[a];}
function show(svg,x){var box=svg.getBoundingClientRect();
var at=(x-box.left)/box.width*width;if(at<left||at>right){return hide();}
charts.forEach(function(c){var s=(at-left)/(right-left)*c.stop-0.5;
c.line.setAttribute("x1",at);c.line.setAttribute("x2",at);c.line.style.opacity=0.6;
var parts=[],step=null;c.series.forEach(function(e){if(!e.p.length){return;}var p=near(e.p,s);
step=step===null?p[0]:step;parts.push((c.series.length>1?e.n+" ":"")+p[1]);});
c.out.textContent=step===null?"":"step "+step+": "+parts.join(", ");});}
function hide(){charts.forEach(function(c){c.line.style.opacity=0;c.out.textContent="";});}
charts.forEach(function(c){c.svg.addEventListener("pointermove",function(e){show(c.svg,e.clientX);});
c.svg.addEventListener("pointerleave",hide);});
})();
"""


_SCRIPT = (
    SCRIPT.replace("__LEFT__", str(LEFT))
    .replace("__RIGHT__", str(WIDTH - RIGHT))
    .replace("__WIDTH__", str(WIDTH))
)


def document(title: str, body: str) -> str:
    """Return the whole page; its policy forbids every request and every script but ours."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n{body}\n</main><script>{_SCRIPT}</script></body></html>\n"
    )


def text(value: object) -> str:
    """Return a recorded value as HTML text."""
    return escape(plain(value), quote=True)


def card(title: str, inner: str) -> str:
    """Return a section of the page."""
    return f'<section class="card"><h2>{text(title)}</h2>{inner}</section>\n'


def code(value: object) -> str:
    """Return a recorded value as HTML in a fixed-width face."""
    return f"<code>{text(value)}</code>"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Return a table; its cells are HTML already, or from `verdict_cell`.

    Args:
        header: the names of the columns, plain text.
        rows: the cells.
        numbers: columns that are aligned to the right.
    """
    head = "".join(
        f'<th scope="col"{_number_class(place, numbers)}>{text(name)}</th>'
        for place, name in enumerate(header)
    )
    body = "".join(
        "<tr>" + "".join(_cell(cell, place, numbers) for place, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def definitions(pairs: Sequence[tuple[str, str]]) -> str:
    """Return names with their values, which are HTML already."""
    return "<dl>" + "".join(f"<dt>{text(k)}</dt><dd>{v}</dd>" for k, v in pairs) + "</dl>"


def bullets(lines: Sequence[str]) -> str:
    """Return a list of recorded lines."""
    return "<ul>" + "".join(f"<li>{text(line)}</li>" for line in lines) + "</ul>"


def tile(number: str, label: str, kind: str = "") -> str:
    """Return a number with what it counts."""
    return f'<div class="tile {kind}"><b>{text(number)}</b><span>{text(label)}</span></div>'


def verdict_cell(word: str, kind: str) -> str:
    """Return a table cell for a verdict, marked so that `table` colours it."""
    return f"\x00{kind}\x00{text(word)}"


def _cell(cell: str, place: int, numbers: Sequence[int]) -> str:
    if cell.startswith("\x00"):
        _, kind, inner = cell.split("\x00", 2)
        return f'<td class="{kind}">{inner}</td>'
    return f"<td{_number_class(place, numbers)}>{cell}</td>"


def _number_class(place: int, numbers: Sequence[int]) -> str:
    return ' class="num"' if place in numbers else ""
