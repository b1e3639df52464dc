"""The course: who a student is, checks that a student calls, and what makes and grades its notebooks.

`from ppres import course`, `from ppres.course import check`; `ppres course build | data | grade` on the command line.
"""

from ppres.course.students import Student, student

__all__ = ["Student", "student"]
