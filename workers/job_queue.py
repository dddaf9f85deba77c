"""What waits for an instance: by version, owner and the precision below which it has to run, each
in the order of submission. Who is next is the scheduler's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from model_registry.spec import Version
from workers.job import Job
from workers.scheduler import Group


class JobQueue:
    def __init__(self) -> None:
        self._lines: dict[tuple[str, str, str], deque[Job]] = {}
        self._order = 0

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __iter__(self) -> Iterator[Job]:
        return (job for line in self._lines.values() for job in line)

    def add(self, job: Job) -> None:
        """A new job, behind all others."""
        self._order += 1
        job.order = self._order
        self._line(job).append(job)

    def put_back(self, job: Job) -> None:
        """A job that could not be run goes to where it was, before those that came after it."""
        line = [*self._line(job), job]
        self._lines[_key(job)] = deque(sorted(line, key=lambda job: job.order))

    def next(self, version: str, owner: str, below: str) -> Job:
        """Takes out the first of one line. All whose turn it overtook are noted."""
        line = self._lines[version, owner, below]
        job = line.popleft()
        if not line:
            del self._lines[version, owner, below]
        for other in self._lines.values():
            if other[0].order < job.order:
                other[0].overtaken += 1
        return job

    def take(self, version_id: str) -> list[Job]:
        """Takes out everything that waits for a version."""
        keys = [key for key in self._lines if key[0] == version_id]
        return [job for key in keys for job in self._lines.pop(key)]

    def remove(self, prediction_id: str) -> bool:
        """Whether it waited; if so, it does no more."""
        for key, line in self._lines.items():
            for job in line:
                if job.prediction_id == prediction_id:
                    line.remove(job)
                    if not line:
                        del self._lines[key]
                    return True
        return False

    def clear(self) -> None:
        self._lines.clear()

    def holds_last(self, job: Job) -> bool:
        """Whether it waits, behind all others of its line."""
        line = self._lines.get(_key(job))
        return line is not None and line[-1] is job

    def waiting_for(self, version_id: str) -> list[Job]:
        return [job for key, line in self._lines.items() if key[0] == version_id for job in line]

    def groups(self, group: Callable[[Version], Group]) -> list[Group]:
        """The lines as the scheduler sees them; `group` describes a version's instances."""
        return [
            replace(
                group(line[0].version),
                owner=owner,
                oldest=line[0].order,
                count=len(line),
                overtaken=line[0].overtaken,
                below=below,
            )
            for (_, owner, below), line in self._lines.items()
        ]

    def _line(self, job: Job) -> deque[Job]:
        return self._lines.setdefault(_key(job), deque())


def _key(job: Job) -> tuple[str, str, str]:
    return job.version.id, job.owner, job.below
