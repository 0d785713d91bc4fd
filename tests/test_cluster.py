"""Several machines, played on this one: cluster_checks.py in a process of its own, since Ray wants one without an event
loop that runs, which browser tests leave, and on all of the machine's cores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra vit-demo[cluster] is not installed")


@pytest.mark.slow
def test_replicas_answer_for_front_ends_also_while_one_is_killed():
    checks = Path(__file__).with_name("cluster_checks.py")
    freed = (lambda: os.sched_setaffinity(0, range(os.cpu_count()))) if hasattr(os, "sched_setaffinity") else None
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(checks)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=env, preexec_fn=freed)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "4 passed" in done.stdout
