"""Teachers are frozen video models, students are IMU encoders; both have projection heads for distillation."""

from comodo.models.base import Student
from comodo.models.heads import ProjectionHead, new_head, project_teacher
from comodo.models.seeds import named_seed
from comodo.models.students import load_student, new_student, save_student
from comodo.models.teachers import Teacher, load_teacher

__all__ = [
    "ProjectionHead",
    "Student",
    "Teacher",
    "load_student",
    "load_teacher",
    "named_seed",
    "new_head",
    "new_student",
    "project_teacher",
    "save_student",
]
