"""Runs the browser's modules in Node, to be compared with Python's numbers."""

from __future__ import annotations

import json
import shutil
import subprocess

from vit_demo.ui.kit.static import UI

NODE = shutil.which("node")
SCRIPT = """
const js = Object.assign({}, ...(await Promise.all(process.argv.slice(1).map((file) => import(file)))));
const { expression, given } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const plain = (value) => ArrayBuffer.isView(value) ? Array.from(value)
  : Array.isArray(value) ? value.map(plain) : value;
const answer = await new Function("js", "given", "return " + expression)(js, given);
process.stdout.write(JSON.stringify(plain(answer)) ?? "null");
"""


def run(expression: str, modules: tuple[str, ...], **given):
    """The value of a JavaScript expression over `js` (what the modules export; paths from ui/) and `given`."""
    paths = [(UI / module).as_uri() for module in modules]
    script = 'import { createRequire } from "module"; const require = createRequire(process.cwd() + "/");' + SCRIPT
    done = subprocess.run(
        [NODE, "--no-warnings", "--input-type=module", "-e", script, *paths],
        input=json.dumps({"expression": expression, "given": given}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
