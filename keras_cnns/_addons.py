"""The only import of tensorflow-addons, with every symbol that the project uses.

The package is no longer developed and warns about it on import; the warning is
silenced here. Where it has no release, ``_stand_ins`` has the same, under the names
that saved models know.
"""

import warnings

from tensorflow import keras

from keras_cnns import _versions

if _versions.HAS_ADDONS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_addons as _tfa

    LAMB = _tfa.optimizers.LAMB
    Lookahead = _tfa.optimizers.Lookahead
    Maxout = _tfa.layers.Maxout
    RectifiedAdam = _tfa.optimizers.RectifiedAdam
    cutout = _tfa.image.cutout
else:
    from keras_cnns import _stand_ins

    _registered = keras.saving.register_keras_serializable("Addons")
    LAMB = _registered(_stand_ins.LAMB)
    Lookahead = _registered(_stand_ins.Lookahead)
    Maxout = _registered(_stand_ins.Maxout)
    RectifiedAdam = _registered(_stand_ins.RectifiedAdam)
    cutout = _stand_ins.cutout
