"""How a backtest's page looks: light and dark, on a phone, on paper; and what it may load: nothing."""

import base64
from hashlib import sha256

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #667; --line: #d5d9df; --paper: #fff;
  --band: #dfe9f5; --volume: #24527a; --s0: #c2410c; --s1: #7c3aed; --s2: #0f766e; --s3: #a16207; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --faint: #9aa4b2; --line: #3a414b;
  --paper: #15181c; --band: #23364a; --volume: #8ec1ee; --s0: #fb923c; --s1: #b794f6; --s2: #5eead4;
  --s3: #facc15; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5em auto; max-width: 70em; padding: 0 1em;
  color: var(--ink); background: var(--paper); overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .8em 0; }
table { border-collapse: collapse; }
th, td { padding: .25em .7em; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; overflow-wrap: normal; }
th:first-child, td:first-child, td:last-child:has(details) { text-align: left; }
td details { min-width: 16em; overflow-wrap: anywhere; }
a { color: inherit; } .faint, figcaption { color: var(--faint); } figure { margin: 1.2em 0; }
svg { display: block; width: 100%; min-width: 40em; height: auto; }
svg text { font-size: 12px; fill: var(--faint); }
.band { fill: var(--band); } .axis { stroke: var(--line); }
.volume { fill: none; stroke: var(--volume); stroke-width: 1.2; }
.expected { fill: none; stroke: var(--faint); stroke-width: 1; stroke-dasharray: 4 3; }
.band, .volume, .expected, .axis, svg text { pointer-events: none; }
.s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--s2); } .s3 { fill: var(--s3); }
.shade { fill-opacity: .28; } a:hover .shade, a:focus .shade { fill-opacity: .55; }
.key { display: inline-block; width: .8em; min-width: 0; height: .8em; vertical-align: baseline; }
.missed { font-weight: 600; } tr:has(:target) { background: var(--band); }
@media print { body { max-width: none; font-size: 11px; } figure, tr { break-inside: avoid; }
  .wide { overflow: visible; } svg { min-width: 0; }
  details::details-content { content-visibility: visible; block-size: auto; } }
"""
_DIGEST = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"
SETS = 4  # as many colours as there are
