"""
Process managers at work: events in, commands out.
"""

from eventsource.processes.overview import ProcessOverview, ProcessState, list_processes, retry_process
from eventsource.processes.run import ProcessProgress
from eventsource.processes.worker import ProcessWorker

__all__ = [
    "ProcessOverview",
    "ProcessProgress",
    "ProcessState",
    "ProcessWorker",
    "list_processes",
    "retry_process",
]
