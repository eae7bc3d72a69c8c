"""Gradient clipping on two arrays of random numbers (book, section 6.1.4).

python -m ch06.clip_grads
"""

from typing import Annotated

from common.clipping import clip_grads, gradient_norm
from common.experiment import script
from common.np import np
from common.rng import stream


@script
def main(max_norm: Annotated[float, "The largest norm allowed."] = 5.0, seed: int = 0) -> dict[str, float]:
    rng = stream(seed, "gradients")
    grads = [np.asarray(rng.random((3, 3)) * 10) for _ in range(2)]
    before = gradient_norm(grads)
    clip_grads(grads, max_norm)
    return {"norm_before": before, "norm_after": gradient_norm(grads)}


if __name__ == "__main__":
    main.cli()
