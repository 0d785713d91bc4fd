"""How much memory there is, and how a process is held to it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from vit_demo import memory
from vit_demo.memory import BASE_BYTES, Limits, MemoryWatch

GB = 10**9
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system tells of memory elsewhere")


@linux
def test_the_machines_memory_is_what_the_system_says():
    lines = Path("/proc/meminfo").read_text().splitlines()
    total_kb = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal"))
    assert memory.machine_bytes() <= 1024 * total_kb


def test_a_containers_limit_goes_before_the_machines(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("2147483648\n")
    monkeypatch.setattr(memory, "CGROUP_LIMITS", (str(tmp_path / "memory.max"),))
    assert memory.machine_bytes() == 2 << 30
    (tmp_path / "memory.max").write_text("max\n")  # none is set
    assert memory.machine_bytes() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@linux
def test_resident_memory_grows_by_what_is_written_to():
    before = memory.resident_bytes()
    kept = bytearray(b"x" * (64 << 20))
    assert memory.resident_bytes() - before > 60 << 20
    del kept


def test_a_process_keeps_no_more_than_what_the_libraries_leave():
    limits = Limits.of_process(3 * GB)
    kept = limits.models + limits.runs + limits.kept + limits.answers + limits.pictures
    assert abs(kept + BASE_BYTES - 3 * GB) < 10
    assert limits.process_bytes == 3 * GB
    assert limits.models == pytest.approx(2 * limits.runs, abs=2)
    assert Limits.of_process(1 * GB).runs > 0  # too little is no reason to keep nothing


def test_a_server_takes_what_is_wanted_as_far_as_the_machine_has_it(monkeypatch):
    monkeypatch.setattr(memory, "machine_bytes", lambda: 16 * GB)
    assert Limits.of_machine().process_bytes == memory.USUAL_BYTES
    assert Limits.of_machine(8 * GB).process_bytes == 8 * GB
    monkeypatch.setattr(memory, "machine_bytes", lambda: 2 * GB)
    assert Limits.of_machine(8 * GB).process_bytes == int(1.6 * GB)
    monkeypatch.setattr(memory, "machine_bytes", lambda: None)
    assert Limits.of_machine().process_bytes == memory.USUAL_BYTES


def test_what_is_over_the_limit_is_let_go(monkeypatch):
    resident, evict = [5 * GB], []

    def free(nbytes):
        evict.append(nbytes)
        resident[0] -= nbytes

    monkeypatch.setattr(memory, "resident_bytes", lambda: resident[0])
    monkeypatch.setattr(memory, "machine_bytes", lambda: 4 * GB)
    watch = MemoryWatch(3 * GB, free)
    assert watch.is_full is False  # there was something to free
    assert (evict, resident[0]) == ([2 * GB], 3 * GB)
    watch.enforce()
    assert len(evict) == 1


def test_full_is_what_cannot_be_freed_on_a_machine_that_has_no_more(monkeypatch):
    monkeypatch.setattr(memory, "resident_bytes", lambda: 5 * GB)
    monkeypatch.setattr(memory, "machine_bytes", lambda: 6 * GB)
    assert MemoryWatch(3 * GB, lambda nbytes: None).is_full
    monkeypatch.setattr(memory, "machine_bytes", lambda: 16 * GB)  # a large question may take it for a while
    assert not MemoryWatch(3 * GB, lambda nbytes: None).is_full


@linux
def test_with_few_arenas_and_trimming_freed_memory_goes_back_to_the_system():
    program = textwrap.dedent("""
        import threading
        from vit_demo import memory
        if not memory.use_few_arenas():
            print("no glibc"); raise SystemExit
        before, gate = memory.resident_bytes(), threading.Barrier(16)
        def work():  # each leaves pieces behind, small enough to come out of an arena
            kept = [bytearray(60_000) for _ in range(200)]
            gate.wait()
            kept = kept[::50]
            gate.wait()
        threads = [threading.Thread(target=work) for _ in range(16)]
        [t.start() for t in threads]; [t.join() for t in threads]
        memory.return_freed()
        print(memory.resident_bytes() - before < 40_000_000)
    """)
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.strip() in ("True", "no glibc")


def test_the_watch_frees_a_while_after_there_was_work():
    import threading

    held = threading.Event()
    watch = MemoryWatch(1, lambda nbytes: held.set(), every_s=0.01)
    assert not held.wait(0.05)  # nothing was done yet
    watch.notify()
    assert held.wait(5)
