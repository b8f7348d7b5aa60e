"""Serves exported models over TF Serving's REST and gRPC APIs; starts in seconds.

python apps/serve.py --model_base=savedmodels
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("serve")
