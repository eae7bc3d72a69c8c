"""Three interleaved spiral arms in the plane: a small classification problem that no straight line solves."""

import numpy
from numpy.typing import NDArray

CLASSES = 3
POINTS = 100  # of each class


def load_data(seed: int = 1984) -> tuple[NDArray[numpy.float64], NDArray[numpy.int32]]:
    """The points and their classes: x (300, 2) float64, t (300, 3) int32 one-hot, class after class.

    Point i of class j lies at radius r = i / 100 and at the angle 4 j + 4 r + 0.2 e (radians, e ~ N(0, 1)):

        x = r (sin angle, cos angle)

    Legacy ``RandomState(seed)`` draws e, because its numbers are the same in every version of NumPy.
    It takes seeds from 0 to 2**32 - 1 and raises ValueError or TypeError for others.
    """
    try:
        rng = numpy.random.RandomState(seed)
    except (TypeError, ValueError) as error:
        raise type(error)(f"spiral.load_data: seed must be an integer from 0 to 2**32 - 1, not {seed!r}") from error
    noise = rng.standard_normal((CLASSES, POINTS))
    radius = numpy.arange(POINTS) / POINTS
    angle = 4.0 * numpy.arange(CLASSES)[:, None] + 4.0 * radius + 0.2 * noise
    x = numpy.stack([radius * numpy.sin(angle), radius * numpy.cos(angle)], axis=-1).reshape(-1, 2)
    t = numpy.eye(CLASSES, dtype=numpy.int32).repeat(POINTS, axis=0)
    return x, t
