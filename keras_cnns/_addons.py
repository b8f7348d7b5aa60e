"""The one door to tensorflow-addons: every symbol that the project takes from it.

The package has ended its development and says so on import; the message is kept
off the terminal here. Whoever moves the project on opens this file alone.
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
