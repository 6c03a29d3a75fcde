"""An application beside the gateway: asks it at once, asks it while it runs, and asks it once more when told to stop.

usage: application.py FILE [job|stubborn]    each answer, or what went wrong, becomes a line of FILE
"""

import json
import os
import signal
import sys
import time
import urllib.request

FILE, KIND = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "service"
told = False


def tell(*_):
    """SIGTERM."""
    global told
    told = True


def ask(when):
    """One request; the answer's text."""
    body = {"model": "auto", "messages": [{"role": "user", "content": f"It is {when}."}]}
    request = urllib.request.Request(f"{os.environ['OPENAI_BASE_URL']}/chat/completions", json.dumps(body).encode(),
                                     {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = json.load(answer)["choices"][0]["message"]["content"].strip()
    except OSError as why:
        said = f"FAILED {why}"
    with open(FILE, "a", encoding="utf-8") as lines:
        lines.write(f"{when}: {said}\n")


signal.signal(signal.SIGTERM, tell)
ask("first")
if KIND == "job":
    ask("last")
    sys.exit(0)
while not told or KIND == "stubborn":
    time.sleep(0.05)
# A server finishes what it has accepted, and needs the gateway for it.
for _ in range(4):
    time.sleep(0.3)
    ask("stopping")
