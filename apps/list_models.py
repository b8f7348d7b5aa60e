"""Shows the models, or the recipes of published hyper-parameters.

python apps/list_models.py --pattern='*densenet*'
python apps/list_models.py --recipes
"""

import flag_definitions

from keras_cnns import applications
from keras_cnns.trainers import RECIPES


def run(task="", pattern="*", recipes=False):
    """Lists; the parameters are the flags.

    Returns:
        The names shown.
    """
    if recipes:
        for name, (values, source) in RECIPES.items():
            print(f"{name}\n    {source}")
            shown = " ".join(f"--{flag}={value!r}" for flag, value in values.items())
            print(f"    {shown}")
        return list(RECIPES)
    names = applications.list_models(task or None, pattern)
    print(f"{'model':26} {'parameters':>11}  {'input':13} {'weights':9} source")
    for name in names:
        info = applications.model_info(name)
        size = "x".join(map(str, info.input_shape))
        weights = ",".join(info.weights) or "-"
        print(f"{name:26} {info.params:11,}  {size:13} {weights:9} {info.paper}")
    return names


if __name__ == "__main__":
    flag_definitions.start(run)
