"""What those who wait are told: how many are before them, and what is being loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from workers.instance import Instance
from workers.job import Job
from workers.messages import Waiting


class Board:
    """Remembers what each has been told, so that only changes are said."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def first(self, job: Job, ahead: int, instances: Iterable[Instance]) -> Waiting:
        """What a new prediction waits for."""
        version_id = job.version.id
        line = _activity(next((i for i in instances if i.loading_for(version_id)), None), ahead)
        self._said[job.prediction_id] = line
        return Waiting(job.prediction_id, line)

    def changes(self, jobs: Iterable[Job], instances: Iterable[Instance]) -> list[Waiting]:
        """What has changed for those who wait, in the order of the queue."""
        loading = {i.version.id: i for i in instances if i.loading}
        ahead: Counter[str] = Counter()
        said, changes = {}, []
        for job in sorted(jobs, key=lambda job: job.order):
            version_id = job.version.id
            line = _activity(loading.get(version_id), ahead[version_id])
            ahead[version_id] += 1
            said[job.prediction_id] = line
            if self._said.get(job.prediction_id) != line:
                changes.append(Waiting(job.prediction_id, line))
        self._said = said
        return changes

    def left(self, job: Job) -> None:
        """It waits no more."""
        self._said.pop(job.prediction_id, None)


def _activity(loading: Instance | None, ahead: int) -> str:
    before = f" · {ahead} before you" if ahead else ""
    if loading is None:
        return f"waiting{before}"
    line = loading.setup.line
    return f"loading the model{before}" + (f" · {line}" if line else "")
