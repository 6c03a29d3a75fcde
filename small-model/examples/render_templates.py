#!/usr/bin/env python3
"""Compares how the engine renders chat templates with Python's jinja2, set up as transformers sets it up.

    python3 small-model/examples/render_templates.py FOLDER       every *.jinja below FOLDER, several conversations each
    python3 small-model/examples/render_templates.py --constructs writes small-model/src/template/constructs.jsonl

The first form builds and runs the example `render_templates`; XIETONG_RENDER names one that is built already.
Needs jinja2. Templates of models have licences of their own: none is kept here.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

HERE = pathlib.Path(__file__).resolve().parent


class Generation(jinja2.ext.Extension):
    """The mark of transformers for training: a block whose text is the block's."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_written", [])
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    @staticmethod
    def _written(caller):
        return caller()


def environment():
    """As in transformers' chat_template_utils."""

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(form):
        return datetime.datetime.now(datetime.timezone.utc).strftime(form)

    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = strftime_now
    return made


TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "Größe <b> & 'x' \"y\"",
        "parameters": {"type": "object", "properties": {"b": {"type": "number", "minimum": 1.0}, "a": {}}},
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"b": 1.5, "a": ["x", None, True]}}}
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": " What is 协同?\n"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "7 < 8", "tool_call_id": "c1", "name": "f"},
]

CONSTRUCTS = [
    "{{ tools|tojson }}",
    "{{ tools[0]|tojson(indent=2) }}",
    "{{ tools|tojson(separators=(',', ':')) }}",
    "{{ tools[0].function|tojson(ensure_ascii=True, sort_keys=True) }}",
    "{{ messages[2].tool_calls[0].function.arguments|tojson }}",
    "{{ {'a': [], 'b': {}, 'c': none, 'd': 1e20, 'e': 0.00001}|tojson(indent=4) }}",
    "{{ messages|tojson }}",
    "{% for m in messages %}{% generation %}\n  {{ m.role }}\n{% endgeneration %}{% endfor %}",
    "a\n  {%- generation -%}  b  {%- endgeneration %}\nc",
    "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}",
    "{{ strftime_now is defined }}{{ strftime_now('%Y')|length }}",
    "{% if not tools is defined %}a{% elif tools is none %}b{% else %}c{% endif %}{{ documents is none }}",
    "{% for m in messages %}{% if m.role == 'tool' %}{% break %}{% endif %}{% if loop.first %}{% continue %}{% endif %}{{ loop.index0 }}{% endfor %}",
    "{% set ns = namespace(found=false, n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% if m.tool_calls %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}{{ ns.n }}",
    "{% macro show(m, deep=true) %}[{{ m.role }}{{ caller is defined }}]{% endmacro %}{{ show(messages[0]) }}{{ show(messages[1], deep=false)|trim }}",
    "{{ messages[1].content.strip() }}|{{ messages[1].content.lstrip('\\n ') }}|{{ messages[1].content|trim }}",
    "{{ 'a-b-c'.rsplit('-', 1) }}{{ 'a-b'.split('-')[-1] }}{{ 'a b  c'.split() }}",
    "{{ 'abc'.index('c') }}{{ 'a=b=c'.partition('=') }}{{ 'a=b=c'.rpartition('=')[2] }}",
    "{{ 'abc'.removeprefix('a').removesuffix('c') }}{{ '7'.zfill(3) }}{{ '-7'.zfill(4) }}",
    "{{ 'x'|int }}{{ '7'|int }}{{ ' 8.9 '|int }}{{ 'x'|int(5) }}{{ 2.9|int }}{{ true|int }}{{ 'ff'|int(base=16) }}",
    "{{ 1.0 }} {{ 1e20 }} {{ 0.1 + 0.2 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ -7 % 3 }} {{ 2 ** 3 }}",
    "{{ none }} {{ true }} {{ undefined_name }} {{ [1, 'a', none, true] }} {{ {'a': 1} }}",
    "{{ 'abc' is sequence }}{{ 'abc' is string }}{{ messages is sequence }}{{ messages[0] is mapping }}{{ 3 is iterable }}{{ 'x' is iterable }}",
    "{{ messages[1:]|length }}{{ messages[::-1][0].role }}{{ messages[-1].role }}{{ 'abcdef'[1:4] }}",
    "{{ messages|map(attribute='role')|join(', ') }}{{ messages|selectattr('role', 'equalto', 'user')|list|length }}{{ messages|rejectattr('tool_calls', 'defined')|list|length }}",
    "{% for k, v in tools[0].function.parameters.properties.items() %}{{ k }}={{ v.type|default('any') }};{% endfor %}",
    "{% for k in tools[0].function %}{{ k }};{% endfor %}{{ tools[0].function.get('strict', 'no') }}",
    "{{ 'a\"b'|tojson }}{{ '</x>&\\u2028'|tojson }}{{ 'tab\\t'|tojson }}",
    "{%- for m in messages -%}\n    {{- '<' + m.role + '>' -}}\n{%- endfor %}\n",
    "{# a comment #}\n{% raw %}{{ raw }}{% endraw %}\n  {% if true %}\n    x\n  {% endif %}\ny",
    "{{ 'yes' if messages[0].role == 'system' else 'no' }}{{ messages[0].role in ['system', 'developer'] }}{{ 'x' not in messages[0] }}",
    "{{ '%s is %d' | format('a', 3) }}{{ 'abc'|replace('b', 'X') }}{{ 'aBc'|upper }}{{ 'x y'|capitalize }}{{ 'x y'.title() }}",
    "{{ [3, 1, 2]|sort }}{{ [1, 2]|first }}{{ [1, 2]|last }}{{ [1, 2]|sum }}{{ [1, 1, 2]|unique|list }}{{ [1,2,3]|reverse|list }}",
    "{{ {'b': 1, 'a': 2}|dictsort }}{{ {'b': 1}|items|list }}{{ dict(a=1)|tojson }}{{ range(3)|list }}",
    "{% set a, b = 'x', 'y' %}{{ a ~ b ~ 1 }}{% with c = 3 %}{{ c }}{% endwith %}",
    "{% set block %}in {{ 'x' }}{% endset %}{{ block|length }}{{ block }}",
    "{% filter upper %}abc{% endfilter %}{{ 'a\\nb'|indent(2) }}{{ 'a\\nb'|indent(2, true) }}",
    "{% macro m() %}{{ caller('z') }}{% endmacro %}{% call(q) m() %}<{{ q }}>{% endcall %}",
    "{{ messages[0]['content']|string|length }}{{ messages|length > 2 and not false }}{{ 1 == 1.0 }}",
    "{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ loop.last }}{{ loop.previtem is defined }}{% else %}none{% endfor %}",
]


def rendered(made, source, values):
    try:
        return {"prompt": made.from_string(source).render(**values)}
    except Exception as error:  # Whatever a template does wrong.
        return {"error": f"{type(error).__name__}: {error}"}


def values_of(job):
    extra = {key: job[key] for key in ("enable_thinking", "reasoning_effort") if key in job}
    return {
        "messages": job["messages"], "tools": job.get("tools") or None, "documents": None,
        "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>", **extra,
    }


def write_constructs():
    made, lines = environment(), []
    for source in CONSTRUCTS:
        values = values_of({"messages": TALK, "tools": [TOOL]})
        expected = rendered(made, source, values)
        if "error" in expected:
            sys.exit(f"{source}: {expected['error']}")
        lines.append(json.dumps({"template": source, "expected": expected["prompt"]}, ensure_ascii=False))
    (HERE.parent / "src/template/constructs.jsonl").write_text("\n".join(lines) + "\n")


CONVERSATIONS = {
    "question": {"messages": TALK[1:2]},
    "system": {"messages": TALK[:2]},
    "talk": {"messages": [*TALK[:2], {"role": "assistant", "content": "A word."}, {"role": "user", "content": "<b>&"}]},
    "tools": {"messages": TALK[:2], "tools": [TOOL]},
    "call": {
        "messages": [
            *TALK[:2],
            {"role": "assistant", "content": "", "tool_calls": [{**CALL, "id": "abcdef012"}]},
            {"role": "tool", "content": "7 < 8", "tool_call_id": "abcdef012", "name": "f"},
        ],
        "tools": [TOOL],
    },
    "no thinking": {"messages": TALK[:2], "enable_thinking": False},
    "low effort": {"messages": TALK[:2], "enable_thinking": True, "reasoning_effort": "low"},
}


def compare(folder):
    made = environment()
    jobs = [
        (path.name, name, {"template": path.read_text(), **conversation})
        for path in sorted(pathlib.Path(folder).rglob("*.jinja"))
        for name, conversation in CONVERSATIONS.items()
    ]
    program = os.environ.get("XIETONG_RENDER")
    command = [program] if program else ["cargo", "run", "-q", "-p", "small-model", "--example", "render_templates"]
    lines = "".join(json.dumps(job) + "\n" for _, _, job in jobs)
    run = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    same, both, different = 0, 0, []
    for (file, name, job), line in zip(jobs, run.stdout.splitlines(), strict=True):
        own, theirs = json.loads(line), rendered(made, job["template"], values_of(job))
        if own == theirs:
            same += 1
        elif "error" in own and "error" in theirs:
            both += 1
        else:
            different.append((file, name, own, theirs))
    print(f"{len(jobs)} prompts of {len(jobs) // len(CONVERSATIONS)} templates: {same} the same to the byte, "
          f"{both} refused by both, {len(different)} different")
    for file, name, own, theirs in different:
        print(f"\n{file}, {name}:")
        a, b = (own.get("prompt") or own["error"]), (theirs.get("prompt") or theirs["error"])
        at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        print(f"  engine: {a[max(0, at - 40):at + 160]!r}\n  jinja2: {b[max(0, at - 40):at + 160]!r}")
    return 1 if different else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--constructs":
        write_constructs()
    else:
        sys.exit(compare(sys.argv[1]))
