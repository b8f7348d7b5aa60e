"""Shows the flags of every command, with their defaults.

python apps/list_options.py --verb=train-gan
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("list-options")
