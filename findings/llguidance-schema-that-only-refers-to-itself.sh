#!/bin/bash
# llguidance 1.9.1 (Rust crate and PyPI package): a JSON schema that no finite value meets because it only refers to itself passes
# `validate_grammar` and the building of a matcher. Contradictory bounds are refused by both, in words. The first is found when the
# first mask is computed: the matcher then has an error that begins with "NoExtensionBias" and speaks of the parser, not of the
# schema. A server that validates a client's schema before it queues the request must also ask for one mask, or the request fails
# as a fault of the server.
# Seen on 2026-12-01 with Python 3.11 on x86-64 Linux. Ends with 0 as long as it is so.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet llguidance==1.9.1
"$folder/venv/bin/python" - <<'PYTHON'
import json

import llguidance

tokenizer = llguidance.LLTokenizer("byte")


def told(schema):
    """What validation says, what a new matcher says, and what it says after its first mask."""
    grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
    validated = llguidance.LLMatcher.validate_grammar(grammar, tokenizer)
    matcher = llguidance.LLMatcher(tokenizer, grammar, log_level=0)
    built = matcher.get_error()
    matcher.compute_logit_bias()
    return validated, built, matcher.get_error().split("\n")[0]


sound = told({"type": "integer"})
assert sound == ("", "", ""), sound
contradictory = told({"type": "string", "minLength": 3, "maxLength": 2})
assert all("Unsatisfiable" in words for words in contradictory), contradictory
circular = told({"$ref": "#"})
assert circular == ("", "", "NoExtensionBias"), circular
print("as described: a circular schema passes validation, and its matcher fails at the first mask:", circular[2])
PYTHON
