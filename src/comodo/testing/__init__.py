"""Contract checks for user-defined classes: students, teachers, objectives and layouts.

Each check raises `AssertionError` with a message of one line at the first violation. Built-in classes pass the checks.

>>> from comodo.testing import check_student
>>> check_student("mylab.models:TinyGru", width=24)
"""

from comodo.testing.layouts import check_layout
from comodo.testing.objectives import check_objective
from comodo.testing.students import check_student
from comodo.testing.teachers import check_teacher

__all__ = ["check_layout", "check_objective", "check_student", "check_teacher"]
