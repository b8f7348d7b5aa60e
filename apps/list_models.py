"""Shows the models, or the recipes of published hyper-parameters.

python apps/list_models.py --pattern='*densenet*'
python apps/list_models.py --recipes
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("list-models")
