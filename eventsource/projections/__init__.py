"""
The read side: events into tables built for questions.
"""

from eventsource.projections.database import ReadModelDatabase
from eventsource.projections.progress import RunningProgress
from eventsource.projections.projector import Projector
from eventsource.projections.worker import Worker, rebuild

__all__ = ["Projector", "ReadModelDatabase", "RunningProgress", "Worker", "rebuild"]
