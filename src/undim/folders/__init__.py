"""Many photographs: found, named, enhanced side by side, resumed where a run was cut off.

report = folders.run([Path("photos")], Path("bright"), enhancer, recursive=True)
print(report.to_json()); sys.exit(bool(report.failed))
"""

from .batch import BatchReport, Enhance, Options, Outcome, run, watch
from .plan import Task, plan

__all__ = ["BatchReport", "Enhance", "Options", "Outcome", "Task", "plan", "run", "watch"]
