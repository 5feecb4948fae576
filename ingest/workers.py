"""Parsers of foreign files in processes of their own: few, watched, replaced when they fail, gone when idle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType

from adapters.base import Json
from ingest.worker_process import Worker, WorkerFailed, WorkerLimits, WorkerMissing, WorkerRefused
from normalize.serve import Message

__all__ = ["WorkerFailed", "WorkerLimits", "WorkerMissing", "WorkerPool", "WorkerRefused"]


class WorkerPool:
    """Up to `size` processes running `python -m entry`, which answers through `normalize.serve`.

    None is started before the first call. Use as an async context manager, or call `close`.
    """

    def __init__(self, entry: str, size: int = 1, limits: WorkerLimits | None = None) -> None:
        self._entry = entry
        self._limits = limits or WorkerLimits()
        self._places = asyncio.Semaphore(size)
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._retiring: asyncio.TimerHandle | None = None
        self._closed = False

    async def call(
        self,
        request: Mapping[str, Json],
        data: bytes,
        timeout: timedelta,  # noqa: ASYNC109 - part of the promise: the worker is killed when it passes
    ) -> dict[str, Json]:
        """As `exchange`, for answers without bytes behind them."""
        answer, _ = await self.exchange((dict(request), data), timeout)
        return answer

    async def exchange(self, question: Message, timeout: timedelta) -> Message:  # noqa: ASYNC109 - as above
        """Have one worker answer; waits for a free one (the timeout counts once it has started).

        Raises WorkerRefused when the work cannot be done, WorkerFailed when the worker could not do it.
        """
        async with self._worker() as worker:
            answer, data = await worker.call(question, timeout)
        return _unwrapped(self._entry, answer), data

    async def warm(self) -> None:
        """Have a worker ready for the first call. Raises WorkerMissing."""
        async with self._worker() as worker:
            await worker.start()

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[Worker]:
        """A worker for one piece of work; it is not used again if that fails."""
        async with self._places:
            if self._closed:
                raise WorkerMissing(f"worker {self._entry}: the pool is closed")
            worker = self._idle.pop() if self._idle else Worker(self._entry, self._limits)
            self._busy.add(worker)
            fit = False
            try:
                yield worker
                fit = worker.served < self._limits.tasks and not self._closed
            finally:
                self._busy.discard(worker)
                if fit:
                    self._rest(worker)
                else:
                    await asyncio.shield(worker.stop())

    async def close(self) -> None:
        """End all workers now; a call under way raises WorkerFailed."""
        self._closed = True
        if self._retiring:
            self._retiring.cancel()
        workers, self._idle = [*self._idle, *self._busy], []
        for worker in workers:
            await worker.stop()

    async def __aenter__(self) -> WorkerPool:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that live now."""
        return tuple(pid for worker in (*self._busy, *self._idle) if (pid := worker.pid) is not None)

    def _rest(self, worker: Worker) -> None:
        self._idle.append(worker)
        worker.idle_since = asyncio.get_running_loop().time()
        if self._retiring is None:
            self._retire_later(self._limits.idle.total_seconds())

    def _retire_later(self, seconds: float) -> None:
        self._retiring = asyncio.get_running_loop().call_later(seconds, self._retire)

    def _retire(self) -> None:
        """Let go of those idle for long; closing its pipe is all a worker needs to end."""
        now, longest = asyncio.get_running_loop().time(), self._limits.idle.total_seconds()
        for worker in [each for each in self._idle if now - each.idle_since >= longest]:
            self._idle.remove(worker)
            worker.dismiss()
        self._retiring = None
        if self._idle:
            self._retire_later(max(0.0, min(each.idle_since for each in self._idle) + longest - now))


def _unwrapped(entry: str, answer: dict[str, Json]) -> dict[str, Json]:
    match answer:
        case {"ok": dict(result)}:
            return result
        case {"error": "failed", "reason": str(reason)}:
            raise WorkerFailed(f"worker {entry} failed: {reason}")
        case {"error": str(kind), "reason": str(reason)}:
            raise WorkerRefused(kind, reason)
    raise WorkerFailed(f"worker {entry} answered {sorted(answer)}; expected ok or error")
