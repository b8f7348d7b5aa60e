"""``python -m keras_cnns <verb>``, for ``keras-cnns <verb>``."""

from keras_cnns.commands import console

if __name__ == "__main__":
    console()
