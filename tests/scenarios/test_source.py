"""Source as one text in every version of Python."""

import ast
import inspect
import json
import sys

import pytest

from ppres.scenarios.source import normalised

PAIRS = [  # of a source and what `ast.unparse` of Python 3.11 makes of it; later versions write most of these otherwise
    ("f\"{world.state['price']}\"", "f\"{world.state['price']}\""),
    ("f\"{', '.join(x)}\"", "f\"{', '.join(x)}\""),
    ('f"{x!r:>{width}}"', "f'{x!r:>{width}}'"),
    ('f"{{literal}} {x}"', "f'{{literal}} {x}'"),
    ('f"it\'s {x}"', 'f"it\'s {x}"'),
    ("f'say \"{x}\"'", "f'say \"{x}\"'"),
    ("f\"it's {x['a']}\"", "f\"it's {x['a']}\""),
    ('f"""it\'s "{x}" """', "f'''it's \"{x}\" '''"),
    ('f"{x}\\n"', "f'{x}\\n'"),
    ('f"{x}\\\\d\\t{y!s}"', "f'{x}\\\\d\\t{y!s}'"),
    ('f"a" "b{c}" f"{d}"', "f'ab{{c}}{d}'"),
    ('f"{x if x else y}"', "f'{(x if x else y)}'"),
    ('f"{(lambda: 1)()}"', "f'{(lambda: 1)()}'"),
    ('f"{(lambda y: y)}"', "f'{(lambda y: y)}'"),
    ('f"{ {1: 2}[x] }"', "f'{ {1: 2}[x]}'"),
    ('f"{x = }"', "f'x = {x!r}'"),
    ('f"{x:%Y-%m-%d}"', "f'{x:%Y-%m-%d}'"),
    ("f\"{f'{x}' + 'b'}\"", "f\"{f'{x}' + 'b'}\""),
    ("f'''{f\"{x['a']}\" + \"b\"}'''", 'f"""{f"{x[\'a\']}" + \'b\'}"""'),
    ('f"{(y := 2)}"', "f'{(y := 2)}'"),
    ('f"{a, b}"', "f'{(a, b)}'"),
    ('f""', "f''"),
    ('f"plain"', "f'plain'"),
    ("f\"{x:{'>'}{10}}\"", "f\"{x:{'>'}{10}}\""),
    ("f'''{x}\nb'''", "f'{x}\\nb'"),
    ('f"ends in \'" f"{x}\'"', "f\"ends in '{x}'\""),
    ('f"""{x["a"]} \'{y}\' "quoted" """', 'f"""{x[\'a\']} \'{y}\' "quoted" """'),
    ('f"{x[\'it\']}: \\"quoted\\" it\'s"', 'f"""{x[\'it\']}: "quoted" it\'s"""'),
    ('f"\\N{BULLET} {x} ä \\x07"', "f'• {x} ä \\x07'"),
    ("f\"{u'a'}\"", "f\"{u'a'}\""),
    ("f\"{b'a'}\"", "f\"{b'a'}\""),
    ('rf"\\d{x}\\s"', "f'\\\\d{x}\\\\s'"),
    ('f"{x:\\n}"', 'f"""{x:\n}"""'),
    ('f"{x!r:^{w}.{p}}"', "f'{x!r:^{w}.{p}}'"),
    ("f'''it\"s \"\"\" it\\'s {x[\"a\"]}'''", "f'''it\"s \"\"\" it's {x['a']}'''"),
    ("print(f\"{x}\", f\"{y['b']}\", sep='')", "print(f'{x}', f\"{y['b']}\", sep='')"),
    ("f\"{'a' 'b'}\" \"c\"", "f\"{'ab'}c\""),
    ("f\"{d['a']['b']!r}\"", "f\"{d['a']['b']!r}\""),
    ("f\"{', '.join(f'{k}={v}' for k, v in x.items())}\"", "f\"{', '.join((f'{k}={v}' for k, v in x.items()))}\""),
    ('f"""{\'\'\'it"s\'\'\'}"""', 'f"""{\'it"s\'}"""'),
    ("f\"{'\t'.join(x)}\"", "f\"{'\t'.join(x)}\""),
    ("f'{x:a}'", "f'{x:a}'"),
]


@pytest.mark.parametrize(("source", "text"), PAIRS)
def test_an_f_string_is_the_same_text_in_every_version(source, text):
    assert normalised(source) == text
    if sys.version_info < (3, 12):
        assert ast.unparse(ast.parse(source)) == text


def test_an_inner_text_that_has_to_be_escaped_has_a_text():
    """Python 3.11's own raises."""
    assert normalised("f\"{'\u00a0'.join(x)}\"") == "f\"{'\\\\xa0'.join(x)}\""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="how 3.11 writes it is the form")
@pytest.mark.parametrize("module", [ast, inspect, json])
def test_the_form_is_that_of_3_11(module):
    source = inspect.getsource(module)
    assert normalised(source) == ast.unparse(ast.parse(source))


def test_comments_and_layout_do_not_count():
    assert normalised("    # why\n    x = ( 1,\n    2)\n") == normalised("x = (1, 2)")
