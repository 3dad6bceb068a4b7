"""Jobs that Celery wakes: each names the purposes for which it may open sealed data, and opens for no other."""

from collections.abc import Callable
from typing import Any

from celery import Task, shared_task

from audit.access import only_for
from audit.purposes import Purpose


class Job(Task[Any, Any]):
    """A task that has said its purposes."""

    abstract = True
    purposes: tuple[Purpose, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with only_for(frozenset(self.purposes)):
            return super().__call__(*args, **kwargs)


def job(*purposes: Purpose) -> Callable[[Callable[..., None]], Any]:
    """A task of ours. Its answer is kept nowhere; without a purpose it opens nothing."""
    return shared_task(base=Job, ignore_result=True, purposes=purposes)
