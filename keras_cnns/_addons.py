"""The only import of tensorflow-addons, with every symbol that the project uses.

The package is no longer developed and warns about it on import; the warning is
silenced here. To replace the package, change this file alone.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tensorflow_addons as _tfa

LAMB = _tfa.optimizers.LAMB
Lookahead = _tfa.optimizers.Lookahead
Maxout = _tfa.layers.Maxout
RectifiedAdam = _tfa.optimizers.RectifiedAdam
cutout = _tfa.image.cutout
