"""Runs the browser's pure functions in Node, to be compared with Python's numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from vit_demo.ui import web

NODE = shutil.which("node")
SCRIPT = """
const js = Object.assign({}, ...process.argv.slice(1).map((file) => require(file)));
const { expression, given } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const plain = (value) => ArrayBuffer.isView(value) ? Array.from(value)
  : Array.isArray(value) ? value.map(plain) : value;
const answer = new Function("js", "given", "return " + expression)(js, given);
process.stdout.write(JSON.stringify(plain(answer)));
"""


def run(expression: str, files: tuple[str, ...], **given):
    """The value of a JavaScript expression over `js` (what the files export) and `given` (JSON)."""
    paths = [str(Path(web.__file__).parent / file) for file in files]
    done = subprocess.run(
        [NODE, "-e", SCRIPT, *paths],
        input=json.dumps({"expression": expression, "given": given}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
