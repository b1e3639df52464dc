"""The site: these pages, notebooks and figures as they are kept, reference from docstrings. `sphinx-build -W docs site`."""

import re
import shutil
from pathlib import Path

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

from ppres import columns

ROOT = Path(__file__).resolve().parent.parent
MADE = Path(__file__).resolve().parent / "notebooks"  # Sphinx reads pages from one folder alone; not kept in git
shutil.rmtree(MADE, ignore_errors=True)
shutil.copytree(ROOT / "notebooks", MADE, ignore=lambda _, names: [name for name in names if name.endswith((".py", "__pycache__"))])

project, author, html_title = "ppres", "the authors of ppres", "ppres"
extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "notebooks/course/student", "notebooks/course/solutions"]  # a page of each lesson is enough
nb_execution_mode = "off"  # outputs are those that `ppres reproduce --save` kept
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_dmath_allow_digits = False  # a dollar before a digit is money
html_math_renderer = "mathml"
myst_heading_anchors = 3
default_role = "code"  # in docstrings `x` is code
autodoc_member_order = "bysource"
maximum_signature_line_length = 100
python_display_short_literal_types = True
html_theme = "furo"
html_theme_options = {"light_css_variables": {"code-font-size": "75%"}}
html_static_path = html_css_files = ["site.css"]
html_copy_source = False
html_show_search_summary = False  # it would fetch pages, which a browser does not do from files
html_show_copyright = False
suppress_warnings = ["mystnb.unknown_mime_type"]


def as_lists(app, what, name, obj, options, lines):
    """Docstrings explain arguments and columns in lines of `name: what it is`, or of "- ": each becomes an item of a list."""
    named = [bool(re.match(r"[\w, ]{1,40}: \S", line)) for line in lines]
    out, inside = [], False
    for number, (line, name_) in enumerate(zip(lines, named, strict=True)):
        fresh = number == 0 or not lines[number - 1].strip() or inside
        begins = line.startswith("- ") or (name_ and fresh and sum(named) > 1)
        if begins != inside and out and out[-1].strip() and not line.startswith(" "):
            out.append("")  # a list stands between empty lines
        if begins:
            out.append(line if line.startswith("- ") else f"- {line}")
        else:
            out.append(f"  {line.strip()}" if inside and line.startswith(" ") else line)
        inside = begins or (inside and line.startswith(" "))
    lines[:] = out


def as_on_the_site(app, name, source):
    """Links to notebooks, which stand beside the pages here, and the table of columns."""
    source[0] = source[0].replace("../notebooks/", "notebooks/")
    source[0] = re.sub(r"\[student\]\((\S+)\)", r"{download}`student <\1>`", source[0])
    if name == "reference/columns":
        rows = [f"| `{column}` | {kind} | {meaning} |" for column, kind, meaning in columns().itertuples(index=False)]
        source[0] += "\n".join(["\n| column | type | meaning |", "|---|---|---|", *rows]) + "\n"


def formula(display):
    """Formulas as MathML, which browsers show by themselves: Sphinx's own way would load a program from elsewhere."""

    def visit(self, node):
        self.body.append(convert(node.astext(), display=display))
        raise SkipNode

    return visit, None


def setup(app):
    app.add_html_math_renderer("mathml", formula("inline"), formula("block"))
    app.connect("autodoc-process-docstring", as_lists)
    app.connect("source-read", as_on_the_site)
