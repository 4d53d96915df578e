"""The picture: what each proxy costs for each kind of work, beside the dearest of the three."""
from html import escape

from table import number

SHOWN = ("nginx", "haproxy", "corsair")
WIDTH, LEFT, RIGHT = 760, 225, 105
BAR, GAP, GROUP_GAP, TOP = 9, 2, 12, 62

# Colours that stand out from white and from black alike; text changes with the reader's scheme.
STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 14px; font-weight: 600 }
  .figure { font-size: 10px; fill: #59636e }
  .nginx { fill: #a5b0bb } .haproxy { fill: #6e8cae } .corsair { fill: #e0632c }
  .axis { stroke: #8c959f; stroke-width: 1 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .figure { fill: #9198a1 } .nginx { fill: #768390 } }
"""


def svg(outcomes, titles):
    """All views in which corsair stands beside nginx or HAProxy."""
    groups = [outcome for outcome in outcomes if outcome.view.subject == "corsair" and "corsair" in outcome.standings
              and len(set(SHOWN) & set(outcome.standings)) > 1]
    bars, y = [], TOP
    for outcome in groups:
        rows = [(name, outcome.standings[name].value) for name in SHOWN if name in outcome.standings]
        dearest = max(value for _, value in rows) or 1
        height = len(rows) * (BAR + GAP) - GAP
        bars.append(f'<text x="{LEFT - 10}" y="{y + height / 2 + 4:.0f}" text-anchor="end">{escape(outcome.view.title)}</text>')
        for name, value in rows:
            length = max((WIDTH - LEFT - RIGHT) * value / dearest, 1)
            figure = f"{number(value)} {outcome.view.unit}" if name == "corsair" else number(value)
            bars.append(f'<rect class="{name}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="1"/>')
            bars.append(f'<text class="figure" x="{LEFT + length + 5:.1f}" y="{y + BAR - 1}">{escape(figure)}</text>')
            y += BAR + GAP
        y += GROUP_GAP - GAP
    legend = "".join(
        f'<rect class="{name}" x="{LEFT + 110 * place}" y="34" width="12" height="12" rx="1"/>'
        f'<text x="{LEFT + 110 * place + 18}" y="44">{escape(titles[name])}</text>' for place, name in enumerate(SHOWN))
    axis = f'<line class="axis" x1="{LEFT}" y1="{TOP - 6}" x2="{LEFT}" y2="{y - GROUP_GAP + 6}"/>'
    body = "\n".join([legend, axis, *bars])
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 6}" width="{WIDTH}" height="{y + 6}" role="img" '
            f'aria-label="Costs of corsair, nginx and HAProxy side by side">\n<style>{STYLE}</style>\n'
            f'<text class="title" x="{LEFT}" y="20">What the proxy costs: shorter is better</text>\n{body}\n</svg>\n')
