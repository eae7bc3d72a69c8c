"""Where the arrays live.

``GPU`` may be set at any moment of the process::

    from common import config
    config.GPU = True

From then on ``common.np.np`` is CuPy and every model *built afterwards* lives on the GPU. Nothing but this flag has
to be changed, and nothing has to be imported again.
"""

GPU: bool = False
