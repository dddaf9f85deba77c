"""Child processes whose end comes at a bad moment."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys

import pytest

from workers.process import ROOT, ChildProcess, end_what_is_left


async def test_a_process_that_ends_before_its_socket_is_open_is_noticed(monkeypatch):
    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def connect_late(protocol, **more):
        await protocol()._over.wait()
        return await connect(protocol, **more)

    monkeypatch.setattr(loop, "create_connection", connect_late)
    child = await ChildProcess.start("/bin/false", {})
    await asyncio.wait_for(child.gone.wait(), 30)


@pytest.mark.parametrize("wanted", [None, "glibc.malloc.check=3"])
async def test_memory_comes_in_large_pages_unless_the_user_tunes_it(monkeypatch, tmp_path, wanted):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if wanted is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", wanted)
    program, seen = tmp_path / "program", tmp_path / "seen"
    program.write_text(f"#!/bin/sh\nprintf %s $GLIBC_TUNABLES > {seen}\n")
    program.chmod(0o755)
    child = await ChildProcess.start(str(program), {})
    await asyncio.wait_for(child.gone.wait(), 30)
    assert seen.read_text() == (wanted or "glibc.malloc.hugetlb=1")


def test_a_spare_whose_parent_was_killed_before_it_began_imports_nothing(tmp_path):
    (tmp_path / "numpy.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        subprocess.run(
            [sys.executable, "-m", "workers.child", str(theirs.fileno()), "--warm"],
            pass_fds=[theirs.fileno()],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
            timeout=60,
        )
    assert not (tmp_path / "imported").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not tell")
def test_what_a_model_has_started_ends_with_the_next_start(tmp_path):
    def start(path):
        return subprocess.Popen(["sleep", "1000"], env={**os.environ, "PYTHONPATH": str(path)})

    with start(tmp_path / "work" / "1" / "path") as left, start(tmp_path / "works") as other:
        end_what_is_left(tmp_path / "work")
        assert left.wait(60) == -9
        assert other.poll() is None
        other.kill()
